// Clients, router, nodes, endpoints from left to right. A line is solid where the router's kernel
// really sends packets, dashed where only the table knows the way, and gone where nothing leads.

import type { NodePicture, PathPicture, Picture } from '@rookery/doctor';

const ROW = 64;
const X = { clients: 90, router: 330, node: 600, endpoint: 850 } as const;
const BOX = { width: 150, height: 42 } as const;

export function PathMap({ picture }: { readonly picture: Picture }) {
  const rows = Math.max(picture.nodes.length, 1);
  const height = rows * ROW + 16;
  const middle = height / 2;
  const at = (i: number): number => ROW / 2 + 8 + i * ROW;
  return (
    <svg
      className="path-map"
      viewBox={`0 0 940 ${height}`}
      role="img"
      aria-label={picture.verdict.sentence}
    >
      <Link from={[X.clients, middle]} to={[X.router, middle]} kind="used" />
      {picture.nodes.map((node, i) => {
        const paths = pathsThrough(picture, node);
        const kind = linkKind(paths);
        const endpoints = paths.reduce((sum, path) => sum + path.endpoints, 0);
        return (
          <g key={node.name}>
            <Link from={[X.router, middle]} to={[X.node, at(i)]} kind={kind} />
            <Link
              from={[X.node, at(i)]}
              to={[X.endpoint, at(i)]}
              kind={kind === 'none' ? 'none' : 'used'}
            />
            <Box
              x={X.node}
              y={at(i)}
              title={node.name}
              note={node.address}
              level={node.up ? 'good' : 'broken'}
            />
            <Box
              x={X.endpoint}
              y={at(i)}
              title={`${endpoints} endpoint${endpoints === 1 ? '' : 's'}`}
              note={kind === 'used' ? 'gets traffic' : 'gets none'}
              level={kind === 'used' ? 'good' : 'plain'}
            />
          </g>
        );
      })}
      <Box x={X.clients} y={middle} title="clients" note="LAN and beyond" level="plain" />
      <Box
        x={X.router}
        y={middle}
        title={picture.router.name}
        note={picture.router.address}
        level={picture.router.reachable ? 'good' : 'broken'}
      />
    </svg>
  );
}

type LinkKind = 'used' | 'known' | 'none';

function pathsThrough(picture: Picture, node: NodePicture): readonly PathPicture[] {
  return picture.services.flatMap((service) =>
    service.paths.filter((path) => path.node === node.name),
  );
}

function linkKind(paths: readonly PathPicture[]): LinkKind {
  if (paths.some((path) => path.inKernel)) return 'used';
  return paths.some((path) => path.inTable) ? 'known' : 'none';
}

function Link(props: {
  readonly from: readonly [number, number];
  readonly to: readonly [number, number];
  readonly kind: LinkKind;
}) {
  const [x1, y1] = props.from;
  const [x2, y2] = props.to;
  const bend = (x1 + x2) / 2;
  return (
    <path
      className={`link ${props.kind}`}
      d={`M${x1},${y1} C${bend},${y1} ${bend},${y2} ${x2},${y2}`}
    />
  );
}

function Box(props: {
  readonly x: number;
  readonly y: number;
  readonly title: string;
  readonly note: string;
  readonly level: 'good' | 'broken' | 'plain';
}) {
  return (
    <g
      className={`box ${props.level}`}
      transform={`translate(${props.x - BOX.width / 2},${props.y - BOX.height / 2})`}
    >
      <rect width={BOX.width} height={BOX.height} rx={8} />
      <text x={BOX.width / 2} y={18} className="title">
        {props.title}
      </text>
      <text x={BOX.width / 2} y={33} className="note">
        {props.note}
      </text>
    </g>
  );
}

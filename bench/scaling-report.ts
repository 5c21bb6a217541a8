// The scaling curves as tables: what a unit costs at each size, and how that compares with the
// cheapest smaller size. Where a unit gets dearer as there are more of them, the curve bends.

export interface ScalingPoint {
  readonly curve: 'routes' | 'peers';
  /** Routes, or peers. */
  readonly size: number;
  /** Routes; routes told to peers. */
  readonly units: number;
  readonly figures: Readonly<Record<string, number>>;
  readonly problems: readonly string[];
}

/** Dearer than this many times the cheapest smaller size: the curve bends. */
const BEND = 1.5;
/** The kernel counts CPU time in ticks of 10 ms. */
const TICK_SEC = 0.01;

const CURVES = {
  routes: { title: 'one peer, more and more routes', size: 'route', unit: 'route' },
  peers: {
    title: 'more and more peers, 200 routes each, everybody is told everything',
    size: 'peer',
    unit: 'route told to a peer',
  },
} as const;

/** Both curves as Markdown. */
export function renderScaling(points: readonly ScalingPoint[]): string {
  const text = (['routes', 'peers'] as const).flatMap((curve) => {
    const own = points.filter((point) => point.curve === curve);
    return own.length > 0 ? [renderCurve(curve, own)] : [];
  });
  return ['### Scaling', '', ...text].join('\n');
}

function renderCurve(curve: 'routes' | 'peers', points: readonly ScalingPoint[]): string {
  const { title, size, unit } = CURVES[curve];
  const lines = [
    `${title}:`,
    '',
    `| ${size}s | time, s | CPU, s | ns per ${unit} | RSS, MiB | octets per ${size} more | |`,
    '|---|---|---|---|---|---|---|',
  ];
  const good = points.filter(({ problems }) => problems.length === 0);
  const [first] = good;
  let [cheapest, smallest] = [Infinity, Infinity];
  for (const point of good) {
    const { figures } = point;
    const cpu = cpuOf(point);
    const octets = point === first ? undefined : octetsMore(first!, point);
    const bends = cpu > cheapest * BEND || (octets ?? 0) > smallest * BEND;
    const cells = [
      point.size.toLocaleString('en'),
      (figures['everybodySec'] ?? figures['loadSec'] ?? NaN).toFixed(2),
      figures['loadCpuSec']!.toFixed(2),
      cpu.toFixed(0),
      figures['rssMiB']!.toFixed(0),
      octets?.toFixed(0) ?? '',
      bends ? '**bends**' : '',
    ];
    lines.push(`| ${cells.join(' | ')} |`);
    cheapest = Math.min(cheapest, cpu);
    if (octets !== undefined && octets > 0) smallest = Math.min(smallest, octets);
  }
  const wrong = points.filter(({ problems }) => problems.length > 0);
  if (wrong.length > 0) lines.push('');
  for (const { size: at, problems } of wrong) lines.push(`- WRONG: ${at}: ${problems.join('; ')}`);
  return `${lines.join('\n')}\n`;
}

/** Nanoseconds of CPU per unit. */
function cpuOf({ figures, units }: ScalingPoint): number {
  return (Math.max(figures['loadCpuSec']!, TICK_SEC) * 1e9) / units;
}

/** Memory for what a point has more than the first one, per route or peer. */
function octetsMore(first: ScalingPoint, point: ScalingPoint): number {
  const more = (point.figures['rssMiB']! - first.figures['rssMiB']!) * 2 ** 20;
  return more / (point.size - first.size);
}

// The scaling curves as tables: what a unit costs at each size, and how that compares with the
// cheapest smaller size. Where a unit gets dearer as there are more of them, the curve bends.

export interface ScalingPoint {
  readonly curve: 'routes' | 'peers';
  /** Routes, or peers. */
  readonly size: number;
  /** Routes; routes told to peers. */
  readonly units: number;
  readonly routes: number;
  readonly figures: Readonly<Record<string, number>>;
  readonly problems: readonly string[];
}

/** Dearer than this many times the cheapest smaller size: the curve bends. */
const BEND = 1.5;
/** The kernel counts CPU time in ticks of 10 ms. */
const TICK_SEC = 0.01;

const CURVES = {
  routes: { title: 'one peer, more and more routes', size: 'routes', unit: 'route' },
  peers: {
    title: 'more and more peers, 200 routes each, everybody is told everything',
    size: 'peers',
    unit: 'route and peer',
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
    `| ${size} | time, s | CPU, s | ns per ${unit} | x cheapest before | RSS, MiB | octets per route | x smallest before | |`,
    '|---|---|---|---|---|---|---|---|---|',
  ];
  let [cheapest, smallest] = [Infinity, Infinity];
  for (const point of points) {
    const { figures, problems } = point;
    const time = figures['everybodySec'] ?? figures['loadSec'];
    if (problems.length > 0 || time === undefined) {
      lines.push(`| ${point.size.toLocaleString('en')} | WRONG: ${problems.join('; ')} |`);
      continue;
    }
    const [cpu, octets] = [cpuOf(point), octetsOf(point)];
    const ratios = [cpu / cheapest, octets / smallest].map((ratio) => Math.max(ratio, 0));
    const cells = [
      point.size.toLocaleString('en'),
      time.toFixed(2),
      figures['loadCpuSec']!.toFixed(2),
      cpu.toFixed(0),
      ratios[0] === 0 ? '-' : ratios[0]!.toFixed(1),
      figures['rssMiB']!.toFixed(0),
      octets.toFixed(0),
      ratios[1] === 0 ? '-' : ratios[1]!.toFixed(1),
      ratios.some((ratio) => ratio > BEND) ? '**bends**' : '',
    ];
    lines.push(`| ${cells.join(' | ')} |`);
    cheapest = Math.min(cheapest, cpu);
    smallest = Math.min(smallest, octets);
  }
  return `${lines.join('\n')}\n`;
}

/** Nanoseconds of CPU per unit. */
function cpuOf({ figures, units }: ScalingPoint): number {
  return (Math.max(figures['loadCpuSec']!, TICK_SEC) * 1e9) / units;
}

/** Octets of memory per route beyond those of an idle daemon with the same sessions. */
function octetsOf({ figures, routes }: ScalingPoint): number {
  return ((figures['rssMiB']! - figures['idleRssMiB']!) * 2 ** 20) / routes;
}

// The one executable: names the subcommands and loads the one that was asked for. A daemon starts in
// a fraction of a second because nothing else is loaded. Every subcommand parses its own arguments
// in its own module.

interface Subcommand {
  /** Absent: not for users. */
  readonly summary?: string;
  readonly load: () => Promise<{ readonly run: (args: readonly string[]) => Promise<number> }>;
}

const subcommands: Readonly<Record<string, Subcommand>> = {
  router: {
    summary: "run a router from a bird.conf; takes BIRD's options",
    load: () => import('./router.ts'),
  },
  controller: {
    summary: 'give addresses to Services, in the place of MetalLB',
    load: () => import('./controller.ts'),
  },
  speaker: {
    summary: "announce Services to routers from a node, in the place of MetalLB's speaker",
    load: () => import('./speaker.ts'),
  },
  birdc: {
    summary: 'the console of a router, in the words of birdc',
    load: () => import('./birdc.ts'),
  },
  vtysh: {
    summary: 'the console of a router or speaker, in the words of vtysh',
    load: () => import('./vtysh.ts'),
  },
  mrt: {
    summary: 'print MRT dumps of tables and messages, or announce their routes',
    load: () => import('./mrt.ts'),
  },
  lab: {
    summary: 'a whole network in namespaces, with its story',
    load: () => import('./lab.ts'),
  },
  doctor: {
    summary: 'both ends of the running lab in one picture, findings with their cures',
    load: () => import('./doctor.ts'),
  },
  'lab-agent': {
    load: () => import('./lab-agent.ts'),
  },
};

async function main(argv: readonly string[]): Promise<number> {
  const [name, ...args] = argv;
  if (name === '--version' || name === '-V') {
    const { rookeryVersion } = await import('./version.ts');
    process.stdout.write(`rookery ${rookeryVersion}\n`);
    return 0;
  }
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(usage());
    return name === undefined ? 2 : 0;
  }
  const subcommand = Object.hasOwn(subcommands, name) ? subcommands[name] : undefined;
  if (!subcommand) {
    process.stderr.write(`rookery: unknown command "${name}"\n${usage()}`);
    return 2;
  }
  const { run } = await subcommand.load();
  return run(args);
}

function usage(): string {
  const lines = Object.entries(subcommands)
    .filter(([, { summary }]) => summary !== undefined)
    .map(([name, { summary }]) => `  ${name.padEnd(12)} ${summary}`);
  return `Usage: rookery COMMAND [OPTIONS]\n\n${lines.join('\n')}\n\n"rookery COMMAND --help" says more.\n`;
}

process.exitCode = await main(process.argv.slice(2));

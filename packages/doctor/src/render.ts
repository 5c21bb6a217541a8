// The picture as text: what `rookery doctor` prints on a terminal of eighty columns or more.

import type { Picture, SessionEnd } from './picture.ts';

/** Lines without colour; the first is the verdict, findings with their cures come last. */
export function renderPicture(picture: Picture): string {
  const lines = [picture.verdict.sentence, '', 'Sessions'];
  for (const node of picture.nodes) {
    lines.push(
      `  ${node.name.padEnd(10)} ${node.address.padEnd(16)} router: ${endText(node.router).padEnd(22)} node: ${endText(node.node)}`,
    );
  }
  lines.push('', 'Services');
  if (picture.services.length === 0) lines.push('  none of type LoadBalancer');
  for (const service of picture.services) {
    const through = service.paths.filter((path) => path.inKernel).map((path) => path.node);
    const address = service.addresses.join(', ') || 'no address';
    lines.push(
      `  ${service.name.padEnd(20)} ${address.padEnd(16)} ${service.reachable ? `through ${through.join(', ')}` : `not reachable: ${service.reason ?? 'no path in the kernel'}`}`,
    );
  }
  lines.push('', 'Findings');
  if (picture.findings.length === 0) lines.push('  none');
  for (const finding of picture.findings) {
    lines.push(`  ${finding.id} (${finding.severity}) ${finding.subject}`);
    lines.push(`    ${finding.text}`, `    cure: ${finding.fix}`);
  }
  return `${lines.join('\n')}\n`;
}

function endText(end: SessionEnd | undefined): string {
  if (!end) return 'not configured';
  const hold = end.holdTimeSec === undefined ? '' : ` hold ${end.holdTimeSec} s`;
  return end.state === 'Established' ? `Established${hold}` : end.state;
}

export * from './config.ts';
export * from './io.ts';
export * from './control.ts';
export * from './running-config.ts';
export * from './view.ts';
export * from './router.ts';
export { InterfaceTable, chooseRouterId, matchesGlob, matchesPatterns } from './interfaces.ts';
export { sameStaticRoute } from './protocols/static.ts';
export type { RedirectFinding } from './redirects.ts';

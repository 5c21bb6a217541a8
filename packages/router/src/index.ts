export * from './config.ts';
export * from './io.ts';
export * from './control.ts';
export * from './running-config.ts';
export * from './view.ts';

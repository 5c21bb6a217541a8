export * from './auth.ts';
export * from './echo.ts';
export { echoIntervalUs } from './echo-function.ts';
export * from './packet.ts';
export * from './step-bfd.ts';

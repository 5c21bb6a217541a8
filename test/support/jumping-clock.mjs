// Loaded into the router before everything else: SIGUSR2 moves its wall clock a year ahead, as a
// machine without a battery sees it when NTP answers. Monotonic clocks go on.

let offsetMs = 0;
const RealDate = Date;
process.on('SIGUSR2', () => (offsetMs = 366 * 86_400_000));

globalThis.Date = class Date extends RealDate {
  constructor(...args) {
    if (args.length === 0) super(RealDate.now() + offsetMs);
    else super(...args);
  }
  static now() {
    return RealDate.now() + offsetMs;
  }
};

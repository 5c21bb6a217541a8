// What we are, and what the birdc dialect claims to be.

export const rookeryVersion = '0.1.0';
/** Existing tools parse this; the dialect follows it. */
export const birdVersion = '2.0.12';

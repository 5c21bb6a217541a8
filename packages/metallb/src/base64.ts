// Base64 of UTF-8 text, as Secrets carry it; the pure layers have neither Buffer nor atob.

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** The text behind standard base64, or undefined when it is not base64 of UTF-8. */
export function decodeBase64Text(encoded: string): string | undefined {
  const clean = encoded.replaceAll(/\s/g, '').replace(/=+$/, '');
  let bits = 0;
  let held = 0;
  let escaped = '';
  for (const char of clean) {
    const value = ALPHABET.indexOf(char);
    if (value < 0) return undefined;
    held = ((held << 6) | value) & 0xffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    escaped += `%${((held >> bits) & 255).toString(16).padStart(2, '0')}`;
  }
  try {
    return decodeURIComponent(escaped);
  } catch {
    return undefined;
  }
}

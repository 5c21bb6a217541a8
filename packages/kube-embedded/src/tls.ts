// The certificate authority of the embedded API: a CA, the server's certificate for every address
// it is reached at, and client certificates. Kept as PEM files in a directory when one is given, so
// that a kubeconfig written earlier stays valid; else in memory for the life of the process.

import 'reflect-metadata';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';

export interface CertificatePair {
  certPem: string;
  keyPem: string;
}

export interface CertificateAuthority {
  caPem: string;
  issueServer: (names: readonly string[]) => Promise<CertificatePair>;
  issueClient: (user: string, groups: readonly string[]) => Promise<CertificatePair>;
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const dayMs = 86_400_000;
const lifetimeDays = 3650;

/** Opens the CA of a directory, making it on first use; without a directory a fresh one. */
export async function openCertificateAuthority(
  directory: string | undefined,
  nowMs: number,
): Promise<CertificateAuthority> {
  const stored = directory === undefined ? undefined : readPair(directory);
  const pair = stored ?? (await makeCa(nowMs));
  if (directory !== undefined && !stored) writePair(directory, pair);
  const issuerKey = await crypto.subtle.importKey(
    'pkcs8',
    PemConverter.decodeFirst(pair.keyPem),
    algorithm,
    false,
    ['sign'],
  );
  const issuer = new X509Certificate(pair.certPem);
  const issue = (subject: string, usage: ExtendedKeyUsage, names: readonly string[]) =>
    issueLeaf({ issuer, issuerKey, subject, usage, names, nowMs });
  return {
    caPem: pair.certPem,
    issueServer: (names) => issue('CN=kube-apiserver', ExtendedKeyUsage.serverAuth, names),
    issueClient: (user, groups) => {
      const organisations = groups.map((group) => `O=${escapeName(group)}`);
      const subject = [...organisations, `CN=${escapeName(user)}`].join(', ');
      return issue(subject, ExtendedKeyUsage.clientAuth, []);
    },
  };
}

function readPair(directory: string): CertificatePair | undefined {
  const certFile = join(directory, 'ca.crt');
  const keyFile = join(directory, 'ca.key');
  if (!existsSync(certFile) || !existsSync(keyFile)) return undefined;
  return { certPem: readFileSync(certFile, 'utf8'), keyPem: readFileSync(keyFile, 'utf8') };
}

function writePair(directory: string, pair: CertificatePair): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  writeFileSync(join(directory, 'ca.key'), pair.keyPem, { mode: 0o600 });
  writeFileSync(join(directory, 'ca.crt'), pair.certPem);
}

async function makeCa(nowMs: number): Promise<CertificatePair> {
  const keys = await generateKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: randomSerial(),
    name: 'CN=rookery-lab-ca',
    notBefore: new Date(nowMs - dayMs),
    notAfter: new Date(nowMs + lifetimeDays * dayMs),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ],
  });
  return { certPem: certificate.toString('pem'), keyPem: await exportKey(keys) };
}

interface LeafRequest {
  issuer: X509Certificate;
  issuerKey: CryptoKey;
  subject: string;
  usage: ExtendedKeyUsage;
  names: readonly string[];
  nowMs: number;
}

async function issueLeaf(request: LeafRequest): Promise<CertificatePair> {
  const keys = await generateKeys();
  const names = [...new Set(request.names)].map((value) =>
    isIP(value) === 0 ? { type: 'dns' as const, value } : { type: 'ip' as const, value },
  );
  const certificate = await X509CertificateGenerator.create({
    serialNumber: randomSerial(),
    subject: request.subject,
    issuer: request.issuer.subject,
    notBefore: new Date(request.nowMs - dayMs),
    notAfter: new Date(request.nowMs + lifetimeDays * dayMs),
    signingKey: request.issuerKey,
    publicKey: keys.publicKey,
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([request.usage]),
      ...(names.length > 0 ? [new SubjectAlternativeNameExtension(names)] : []),
    ],
  });
  return { certPem: certificate.toString('pem'), keyPem: await exportKey(keys) };
}

function generateKeys(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']) as Promise<CryptoKeyPair>;
}

async function exportKey(keys: CryptoKeyPair): Promise<string> {
  const bytes = await crypto.subtle.exportKey('pkcs8', keys.privateKey);
  return PemConverter.encode(bytes, 'PRIVATE KEY');
}

function randomSerial(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x01;
  return Buffer.from(bytes).toString('hex');
}

function escapeName(text: string): string {
  return text.replaceAll(/[,+"\\<>;=#]/g, (char) => `\\${char}`);
}

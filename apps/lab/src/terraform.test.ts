import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TERRAFORM } from './post.ts';
import { parseTerraform } from './terraform.ts';

test("the post's blocks become three objects with their references resolved", async () => {
  const parsed = await parseTerraform('main.tf', TERRAFORM);
  assert.ok(parsed.ok);
  assert.deepEqual(parsed.value.map((m) => `${m.kind}/${m.metadata.name}`).sort(), [
    'BGPAdvertisement/bgp-pool-advertisement',
    'BGPPeer/bgp-router-peer',
    'IPAddressPool/bgp-pool',
  ]);
  const advertisement = parsed.value.find((m) => m.kind === 'BGPAdvertisement');
  assert.deepEqual(advertisement?.['spec'], {
    ipAddressPools: ['bgp-pool'],
    peers: ['bgp-router-peer'],
  });
  const peer = parsed.value.find((m) => m.kind === 'BGPPeer');
  assert.deepEqual(peer?.['spec'], { peerAddress: '192.168.1.1', peerASN: 64496, myASN: 64497 });
});

test('locals, variables and text around a reference resolve; the rest is named', async () => {
  const source = (name: string): string => `
locals { asn = 64497 }
variable "site" { default = "home" }
resource "kubernetes_manifest" "p" {
  manifest = { kind = "BGPPeer", metadata = { name = ${name} }, spec = { myASN = local.asn } }
}`;
  const good = await parseTerraform('a.tf', source('"peer-${var.site}"'));
  assert.ok(good.ok);
  assert.equal(good.value[0]?.metadata.name, 'peer-home');
  assert.deepEqual(good.value[0]?.['spec'], { myASN: 64497 });
  const bad = await parseTerraform('a.tf', source('upper("x")'));
  assert.ok(!bad.ok);
  assert.match(
    bad.error,
    /a\.tf: kubernetes_manifest\.p\.manifest\.metadata\.name: cannot resolve/,
  );
});

test('broken HCL and foreign resources are one clear error each', async () => {
  const broken = await parseTerraform('b.tf', 'resource "kubernetes_manifest" {');
  assert.ok(!broken.ok && broken.error.startsWith('b.tf: not valid HCL'));
  const foreign = await parseTerraform('c.tf', 'resource "aws_vpc" "x" { cidr = "10.0.0.0/8" }');
  assert.ok(!foreign.ok && foreign.error.includes('resource "aws_vpc"'));
});

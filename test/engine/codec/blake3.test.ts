import { expect, test } from 'vitest';
import { blake3 } from '../../../src/engine/codec/blake3.js';

test.each([
  [0, 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262'],
  [1, '2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213'],
  [1024, '42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7'],
  [102400, 'bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085'],
])('the published test vector of %d bytes', (length, hash) => {
  const input = Buffer.from(Uint8Array.from({ length }, (_, index) => index % 251));
  expect(blake3(input).toString('hex')).toBe(hash);
});

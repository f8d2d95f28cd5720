import { describe, expect, it } from 'vitest';
import { ChangeGate } from '../../../src/engine/fuse/changeGate.js';

describe('ChangeGate', () => {
  it('is held until the last hold is released', async () => {
    const gate = new ChangeGate();
    const [first, second] = [gate.hold(), gate.hold()];
    const { held } = gate;
    first();
    first();
    expect(gate.held).toBe(held);
    second();
    expect(gate.held).toBeUndefined();
    await held;
  });

  it('keeps other threads from writing as long as it is held', () => {
    let reservations = 0;
    const gate = new ChangeGate(() => {
      reservations++;
      return () => {
        reservations--;
      };
    });
    const [first, second] = [gate.hold(), gate.hold()];
    first();
    expect(reservations).toBe(1);
    second();
    expect(reservations).toBe(0);
    gate.hold();
    gate.openAll();
    gate.openAll();
    expect(reservations).toBe(0);
  });

  it('counts no hold from before it was opened for all', async () => {
    const gate = new ChangeGate();
    const lost = gate.hold();
    const { held } = gate;
    gate.openAll();
    await held;
    const release = gate.hold();
    const heldAnew = gate.held;
    lost();
    expect(gate.held).toBe(heldAnew);
    release();
    expect(gate.held).toBeUndefined();
    await heldAnew;
  });
});

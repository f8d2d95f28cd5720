/** For test authors: mount fixtures, and say what is to become of them (docs/testing.md). */
export type { ControlClient } from '../engine/control/client.js';
export { HexzError } from '../engine/errors.js';
export type { Activity, RecordedActivity } from './activity.js';
export { expectOverlay, type OverlayExpectation } from './expectOverlay.js';
export { expectReads, type ReadsExpectation } from './expectReads.js';
export type { Fixture } from './fixture.js';
export { mountFixture } from './mountFixture.js';
export type { ReplAnswer } from './repl.js';
export type { TestMount, TestMountOptions } from './testMount.js';
export { type UseMountOptions, useMount } from './useMount.js';

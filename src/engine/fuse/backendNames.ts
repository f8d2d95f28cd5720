/** What can carry a mount between the kernel and us, the best first. */
export const backendNames = ['kernel', 'fuse-native'] as const;

export type BackendName = (typeof backendNames)[number];

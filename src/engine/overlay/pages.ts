/** The unit of the overlay, in bytes. */
export const PAGE_BYTES = 4096;

/** The largest disk that an overlay can hold; beyond, writes answer EFBIG. */
export const MAX_DISK_BYTES = 2 ** 44;

export const MAX_PAGES = MAX_DISK_BYTES / PAGE_BYTES;

/** The page that holds a byte of the disk. */
export const pageOf = (offset: number): number => Math.floor(offset / PAGE_BYTES);

/** How many pages a disk of this length has, the last one perhaps in part. */
export const pagesIn = (length: number): number => Math.ceil(length / PAGE_BYTES);

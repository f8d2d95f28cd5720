/** The page of x86-64: what migration streams and page tables deal in. */
export const GUEST_PAGE_BYTES = 4096;

/** The unit of the overlay, and of what is reviewed. */
export const PAGE_BYTES = 4096;

export interface PageRange {
  readonly pageIndex: number;
  readonly pageCount: number;
}

/** `7` or `7-9`, as a selection names pages. */
export const formatPages = ({ pageIndex, pageCount }: PageRange): string =>
  pageCount === 1 ? `${pageIndex}` : `${pageIndex}-${pageIndex + pageCount - 1}`;

/** Every page that has a byte of the range. */
export function pagesOf(offset: number, length: number): PageRange {
  const pageIndex = Math.floor(offset / PAGE_BYTES);
  const endPage = Math.ceil((offset + Math.max(1, length)) / PAGE_BYTES);
  return { pageIndex, pageCount: endPage - pageIndex };
}

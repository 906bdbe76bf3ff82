/**
 * Which column of a row holds what. `data` gives the column of the row's `index`-th chunk of data; `q` is the column
 * with the second parity of RAID 6, -1 without.
 */
export interface RowLayout {
  readonly parity: number;
  readonly q: number;
  data(index: number): number;
}

/** The layout of each row, for that many columns. */
export type ParityLayout = (row: number, columns: number) => RowLayout;

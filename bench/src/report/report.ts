/** What a benchmark says: the same for the terminal, the Markdown, the JSON and the page. */
export interface Report {
  readonly title: string;
  /** What was done, so that the figures can be read: a paragraph each. */
  readonly about: readonly string[];
  readonly tables: readonly Table[];
  readonly plots: readonly Bars[];
  readonly targets: readonly Target[];
  /** What was measured, round by round, for the JSON. */
  readonly figures: object;
}

export interface Table {
  readonly title: string;
  readonly head: readonly string[];
  /** A change in the first column begins a new group. */
  readonly rows: readonly (readonly string[])[];
}

/** Whether rows share their first column, so that the second tells them apart. */
export function isGrouped({ rows }: Table): boolean {
  return new Set(rows.map(([first]) => first)).size < rows.length;
}

/** One plot: a bar for each contender. */
export interface Bars {
  readonly title: string;
  readonly unit: string;
  readonly bars: readonly Bar[];
}

export interface Bar {
  readonly name: string;
  readonly value: number;
}

/** What is to be shown, said whichever way it came out. */
export interface Target {
  readonly reached: boolean;
  readonly text: string;
}

/** Where and when it ran. */
export interface Setting {
  readonly command: string;
  readonly date: string;
  readonly processor: string;
  readonly cores: number;
  readonly memory: string;
  readonly system: string;
  /** The state of Tenure: its commit, where there is a repository. */
  readonly commit: string;
  /** Node, PostgreSQL, and every peer. */
  readonly versions: Readonly<Record<string, string>>;
}

/** A contender is ours when its name says so. */
export function isOurs(name: string): boolean {
  return /tenure/i.test(name);
}

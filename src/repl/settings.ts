/** What `set` can set; the first value is the one that holds at the beginning. */
export const settingTable = {
  write: { values: ['off', 'on'], about: 'whether `write` may change the overlay' },
  format: {
    values: ['text', 'table', 'json'],
    about: 'how results are shown: for people, between tabs, as a line of JSON',
  },
  pager: {
    values: ['off', 'on'],
    about: 'whether what is longer than the screen goes through $PAGER',
  },
} as const satisfies Record<string, { readonly values: readonly string[]; readonly about: string }>;

export type SettingName = keyof typeof settingTable;
export const settingNames = Object.keys(settingTable) as readonly SettingName[];

export type Settings = {
  -readonly [Name in SettingName]: (typeof settingTable)[Name]['values'][number];
};

export const defaultSettings = (): Settings => ({ write: 'off', format: 'text', pager: 'off' });

export const isSettingName = (name: string): name is SettingName =>
  Object.hasOwn(settingTable, name);

/** Answers whether it is a value that this setting can have. */
export function changeSetting<Name extends SettingName>(
  settings: Settings,
  name: Name,
  value: string,
): boolean {
  const { values } = settingTable[name];
  if (!(values as readonly string[]).includes(value)) return false;
  settings[name] = value as Settings[Name];
  return true;
}

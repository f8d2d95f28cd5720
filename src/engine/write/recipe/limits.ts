/** Limits of recipes (docs/recipes.md, "Limits"); checked before anything is made. */

export const MAX_RECIPE_BYTES = 256 * 1024;
export const MAX_ALIASES = 100;
/** Nodes of YAML inside each other, with the pairs of mappings between them. */
export const MAX_NESTING = 100;
/** Recipes that are each other's parents. */
export const MAX_GENERATIONS = 32;
/** What is not known to be zero, of all streams and overlay writes of a recipe. */
export const MAX_DATA_BYTES = 64 * 1024 ** 3;
/** Blocks of a snapshot: each takes 52 bytes of the index. */
export const MAX_BLOCKS = 2 ** 24;
export const MAX_EXT4_BYTES = 16 * 1024 ** 3;
export const MAX_TREE_ENTRIES = 65_536;
export const MAX_TREE_PATH_BYTES = 1024;
export const MAX_NAME_BYTES = 255;

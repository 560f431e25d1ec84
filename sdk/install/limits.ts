/** How large a skill's package may be. Files and depth are those that a skill's folder is read with (plugins/skills/folder.ts). */

/** Files that are installed. */
export const MAX_FILES = 500;
/** Bytes of one file. */
export const MAX_FILE_BYTES = 1024 * 1024;
/** Folders within folders. */
export const MAX_DEPTH = 8;
/** Bytes of all files that are installed. */
export const MAX_TOTAL_BYTES = 20 * 1024 * 1024;
/** Entries of an archive, those included that are not installed (folders, dotfiles, node_modules). */
export const MAX_ENTRIES = 5000;
/** Bytes of an archive as it comes, and of what it unpacks to. */
export const MAX_ARCHIVE_BYTES = 20 * 1024 * 1024;
export const MAX_UNPACKED_BYTES = 64 * 1024 * 1024;
/** Unpacked bytes for one packed byte; asked of archives that unpack to more than {@link RATIO_FROM_BYTES}. */
export const MAX_RATIO = 100;
export const RATIO_FROM_BYTES = 1024 * 1024;

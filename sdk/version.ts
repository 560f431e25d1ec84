/** The version of this GlyphCase, which plugins' and skills' ranges are checked against. A test compares it with package.json. */
export const VERSION = '1.0.0';

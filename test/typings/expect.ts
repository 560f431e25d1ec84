/** What the tests of types say. They are run by the compiler: `npm run types` fails where one of them does not hold. */

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** `same<typeof value, Expected>(true)` compiles if the two types are identical, `any` being the same as itself only. */
export function same<A, B>(_: Equal<A, B>): void {}

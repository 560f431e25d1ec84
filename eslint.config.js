// What prettier cannot see: mistakes TypeScript lets pass, and the house's own rules (layers, clock, exports).
import js from '@eslint/js';
import tseslint from 'typescript-eslint';
import { layersRule } from './scripts/layers-rule.ts';

const noDefaultExport = {
  selector: 'ExportDefaultDeclaration',
  message: 'Export by name; only a plugin’s definition file has a default export.',
};
const noIterate = {
  selector: "CallExpression[callee.property.name='iterate']",
  message: 'iterate() leaves a statement open when its consumer stops; use all(), with a LIMIT where rows are many.',
};
const noDateNow = {
  selector: "CallExpression[callee.object.name='Date'][callee.property.name='now']",
  message: 'Ask the clock (ctx.clock.now()), so that tests can hold time still.',
};
const timers = ['setTimeout', 'setInterval'].map((name) => ({
  name,
  message: 'Ask the clock (ctx.clock.timeout, ctx.clock.interval), so that tests can hold time still.',
}));

export default tseslint.config(
  // scripts/package-consumer/ imports the packed package; check-package.ts compiles and runs it where that exists.
  // bench/peers/ is a package of its own.
  {
    ignores: [
      'dist/',
      'node_modules/',
      'test/fixtures/',
      'bench/results/',
      'bench/peers/',
      'scripts/package-consumer/',
    ],
  },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  js.configs.recommended,
  {
    files: ['**/*.ts', '**/*.tsx'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'separate-type-imports' }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      // Passing on what was caught is not throwing a non-error.
      '@typescript-eslint/only-throw-error': ['error', { allowThrowingUnknown: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-unnecessary-condition': [
        'error',
        { allowConstantLoopConditions: 'only-allowed-literals' },
      ],
      // A type parameter that appears once is how `use<Service>(name)` and `query<Row>(sql)` take the caller's word.
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      // TypeScript reads `void | Promise<void>` as it is meant: a handler that may be asynchronous.
      '@typescript-eslint/no-invalid-void-type': 'off',
      eqeqeq: 'error',
    },
  },
  {
    files: ['kernel/**/*.ts', 'plugins/**/*.ts', 'sdk/**/*.{ts,tsx}'],
    plugins: { house: { rules: { layers: layersRule } } },
    rules: {
      'house/layers': 'error',
      'max-lines': ['error', { max: 350 }],
      'no-console': 'error',
      'no-restricted-syntax': ['error', noDefaultExport, noIterate],
      '@typescript-eslint/explicit-module-boundary-types': 'error',
    },
  },
  {
    files: ['kernel/**/*.ts', 'plugins/**/*.ts'],
    ignores: ['kernel/clock.ts'],
    rules: {
      'no-restricted-globals': ['error', ...timers],
      'no-restricted-syntax': ['error', noDefaultExport, noIterate, noDateNow],
    },
  },
  {
    // A plugin's definition file.
    files: ['plugins/*/index.ts', 'plugins/*/plugin.ts'],
    rules: { 'no-restricted-syntax': ['error', noIterate, noDateNow] },
  },
  {
    // Written as a third party would: nothing but the package.
    files: ['examples/plugins/**/*.ts'],
    rules: {
      'max-lines': ['error', { max: 350 }],
      'no-console': 'error',
      'no-restricted-imports': ['error', { patterns: [{ regex: '^\\.\\./', message: 'Import from glyphcase/sdk.' }] }],
    },
  },
  {
    files: ['examples/plugins/*/!(*.test).ts'],
    rules: {
      'no-restricted-globals': ['error', ...timers],
      'no-restricted-syntax': ['error', noIterate, noDateNow],
    },
  },
  { files: ['sdk/cli/**/*.ts'], rules: { 'no-console': 'off' } },
  {
    files: ['test/**/*.{ts,tsx}', 'bench/**/*.ts'],
    rules: {
      'max-lines': ['error', { max: 700 }],
      // A test's own fixture is there, and the test fails if it is not.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // Tests hand in what the types forbid, to see it refused.
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-explicit-any': 'off',
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-empty-function': 'off',
    },
  },
  {
    // Compiled and never run: values are there for their types, and wrong uses to be refused.
    files: ['test/typings/*.ts'],
    rules: {
      '@typescript-eslint/no-unused-vars': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-floating-promises': 'off',
      '@typescript-eslint/no-meaningless-void-operator': 'off',
    },
  },
  {
    files: ['**/*.{js,cjs}'],
    languageOptions: { globals: { console: 'readonly', process: 'readonly', URL: 'readonly' } },
  },
  {
    // Written for a Node.js too old to read more.
    files: ['bin/glyphcase.js', 'scripts/require-node.cjs'],
    languageOptions: { globals: { require: 'readonly' } },
    rules: { 'no-var': 'off' },
  },
);

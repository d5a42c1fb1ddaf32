import hooks from "eslint-plugin-react-hooks";
import ts from "typescript-eslint";

export default ts.config(
    { ignores: ["dist", "node_modules", ".build", "src/api/contract.d.ts"] },
    ...ts.configs.strictTypeChecked,
    hooks.configs.flat.recommended,
    {
        languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
        rules: {
            "@typescript-eslint/no-explicit-any": "error",
            "@typescript-eslint/no-non-null-assertion": "error",
            "@typescript-eslint/consistent-type-imports": "error",
            "@typescript-eslint/switch-exhaustiveness-check": "error",
            // What an older deployment recorded may lack what the contract requires by now.
            "@typescript-eslint/no-unnecessary-condition": "off",
            // A number in a text is what a template is for.
            "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
            // `onClick={() => close()}` says no more when its braces are written out.
            "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
            "@typescript-eslint/no-misused-promises": ["error", { checksVoidReturn: { attributes: false } }],
            "no-eval": "error",
            "no-implied-eval": "error",
            "no-restricted-properties": [
                "error",
                { object: "JSON", property: "parse", message: "It rounds numbers: use parseJson of lib/json." },
                { object: "window", property: "localStorage", message: "Nothing outlives the session but the theme." },
            ],
            eqeqeq: "error",
        },
    },
    { files: ["**/*.js", "**/*.mjs"], extends: [ts.configs.disableTypeChecked] },
);

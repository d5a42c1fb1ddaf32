/** Returns the sum of decimal numbers, exactly, with as many decimals as the longest has; `undefined` if one has an exponent. */
export function sumDecimals(texts: readonly string[]): string | undefined {
  if (texts.some((text) => !/^-?\d+(\.\d+)?$/.test(text))) return undefined;
  const decimals = Math.max(0, ...texts.map((text) => text.split(".")[1]?.length ?? 0));
  let sum = 0n;
  for (const text of texts) {
    const [whole = "0", fraction = ""] = text.replace("-", "").split(".");
    const value = BigInt(whole + fraction.padEnd(decimals, "0"));
    sum += text.startsWith("-") ? -value : value;
  }
  const digits = (sum < 0n ? -sum : sum).toString().padStart(decimals + 1, "0");
  const whole = digits.slice(0, digits.length - decimals);
  return `${sum < 0n ? "-" : ""}${whole}${decimals > 0 ? `.${digits.slice(-decimals)}` : ""}`;
}

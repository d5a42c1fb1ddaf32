/** Says something to a screen reader, through the live region of the shell. */
export function announce(text: string): void {
  const region = document.getElementById("announcer");
  if (region !== null) region.textContent = text;
}

import { Fragment, type ReactNode } from "react";

/**
 * A small Markdown: paragraphs, headings, lists, quotations, code, **strong**, *emphasis* and links. It makes elements, never HTML; what it does not know
 * is shown as it was written. Pictures are shown as their address: nothing is fetched from anywhere.
 */
export function Markdown({ text }: { text: string }) {
  return (
    <div className="prose">
      {blocks(text).map((block, index) => (
        <Fragment key={index}>{block}</Fragment>
      ))}
    </div>
  );
}

function blocks(text: string): ReactNode[] {
  const result: ReactNode[] = [];
  const lines = text.replaceAll("\r\n", "\n").split("\n");
  let at = 0;
  while (at < lines.length) {
    const line = lines[at] ?? "";
    if (line.trim() === "") {
      at += 1;
    } else if (line.startsWith("```")) {
      const end = lines.findIndex((one, index) => index > at && one.startsWith("```"));
      const stop = end < 0 ? lines.length : end;
      result.push(<pre tabIndex={0}>{lines.slice(at + 1, stop).join("\n")}</pre>);
      at = stop + 1;
    } else if (/^#{1,6} /.test(line)) {
      result.push(<p className="prose-heading">{inline(line.replace(/^#+ /, ""))}</p>);
      at += 1;
    } else {
      const pattern = /^\s*[-*•] /.test(line)
        ? /^\s*[-*•] /
        : /^\s*\d+[.)] /.test(line)
          ? /^\s*\d+[.)] /
          : /^> ?/.test(line)
            ? /^> ?/
            : undefined;
      const taken: string[] = [];
      while (at < lines.length && isOfBlock(lines[at] ?? "", pattern)) {
        taken.push(lines[at] ?? "");
        at += 1;
      }
      result.push(blockOf(taken, pattern));
    }
  }
  return result;
}

function isOfBlock(line: string, pattern: RegExp | undefined): boolean {
  if (pattern !== undefined) return pattern.test(line);
  return line.trim() !== "" && !/^(\s*[-*•] |\s*\d+[.)] |> ?|#{1,6} |```)/.test(line);
}

function blockOf(lines: readonly string[], pattern: RegExp | undefined): ReactNode {
  if (pattern === undefined) return <p>{withBreaks(lines)}</p>;
  const texts = lines.map((line) => line.replace(pattern, ""));
  if (pattern.source.startsWith("^>")) return <blockquote>{withBreaks(texts)}</blockquote>;
  const items = texts.map((text, index) => <li key={index}>{inline(text)}</li>);
  return pattern.source.includes("\\d") ? <ol>{items}</ol> : <ul>{items}</ul>;
}

function withBreaks(lines: readonly string[]): ReactNode[] {
  return lines.map((line, index) => (
    <Fragment key={index}>
      {index > 0 && <br />}
      {inline(line)}
    </Fragment>
  ));
}

const INLINE =
  /(`[^`]+`)|(\*\*[^*]+\*\*)|(\*[^*\s][^*]*\*)|\[([^\]]+)\]\((https?:\/\/[^\s)]+)\)|(https?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)])/g;

function inline(text: string): ReactNode[] {
  const parts: ReactNode[] = [];
  let end = 0;
  for (const match of text.matchAll(INLINE)) {
    parts.push(text.slice(end, match.index));
    const [whole, code, strong, emphasis, label, target, address] = match;
    if (code !== undefined) parts.push(<code key={match.index}>{code.slice(1, -1)}</code>);
    else if (strong !== undefined) parts.push(<strong key={match.index}>{strong.slice(2, -2)}</strong>);
    else if (emphasis !== undefined) parts.push(<em key={match.index}>{emphasis.slice(1, -1)}</em>);
    else parts.push(<Outside key={match.index} href={target ?? address ?? whole} label={label} />);
    end = match.index + whole.length;
  }
  parts.push(text.slice(end));
  return parts;
}

/** A link that leaves the console: in a tab of its own, which learns nothing of this one. Where it leads is said on hover. */
export function Outside({ href, label }: { href: string; label?: string | undefined }) {
  return (
    <a href={href} title={href} target="_blank" rel="noopener noreferrer nofollow">
      {label ?? href.replace(/^https?:\/\//, "")}
    </a>
  );
}

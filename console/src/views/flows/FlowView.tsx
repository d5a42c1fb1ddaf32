export default function Todo(_: { runId?: string; slug?: string; tab?: string }) { return null; }

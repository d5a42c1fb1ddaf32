import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { signOut } from "../api/endpoints";
import { meQuery } from "../api/queries";
import { Kbd } from "../components/basic";
import { Icon, type IconName } from "../components/Icon";
import { forgetDrafts } from "../lib/drafts";
import { useKeys } from "../lib/keys";
import { Link } from "../lib/router";
import { applyTheme, readTheme, type Theme } from "../lib/theme";
import { zone } from "../lib/time";
import { inbox, useInbox } from "../views/inbox/store";
import { Help } from "./Help";

export type PageName = "inbox" | "decisions" | "flows" | "run";

const PAGES: readonly { name: PageName; label: string; to: string; icon: IconName }[] = [
  { name: "inbox", label: "Inbox", to: "", icon: "inbox" },
  { name: "decisions", label: "Decisions", to: "decisions", icon: "history" },
  { name: "flows", label: "Flows", to: "flows", icon: "flow" },
];

interface Props {
  page: PageName;
  inboxCount?: number;
  /** What a view puts into the navigation, such as its filters. */
  aside?: ReactNode;
  /** On a phone, a detail has the whole screen. */
  hideNav?: boolean;
  children: ReactNode;
}

export function Shell({ page, inboxCount, aside, hideNav = false, children }: Props) {
  const me = useQuery(meQuery).data;
  const rows = useInbox().rows.size;
  const [isHelp, setHelp] = useState(false);
  const count = inboxCount ?? rows;
  useKeys({ "?": () => setHelp(true) });
  return (
    <div className={`shell ${hideNav ? "no-nav" : ""}`}>
      <a
        className="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          document.getElementById("main")?.focus();
        }}
      >
        Skip to the content
      </a>
      <nav className="nav" aria-label="Console">
        <p className="brand">
          <b>Runs</b> <span>{me?.organisation.name ?? ""}</span>
        </p>
        <ul>
          {PAGES.map((one) => (
            <li key={one.name}>
              <Link
                to={one.to}
                aria-current={one.name === page || (page === "run" && one.name === "flows") ? "page" : undefined}
                title={one.label}
              >
                <Icon name={one.icon} />
                <span>{one.label}</span>
                {one.name === "inbox" && count > 0 && <span className="count">{count.toLocaleString("en-GB")}</span>}
              </Link>
            </li>
          ))}
        </ul>
        <div className="nav-aside">{aside}</div>
        <Account />
        <div className="account-buttons">
          <button type="button" className="key-button" aria-label="You, and the keys" onClick={() => setHelp(true)}>
            <Kbd>?</Kbd>
          </button>
        </div>
      </nav>
      <main id="main" tabIndex={-1}>
        {children}
      </main>
      {isHelp && (
        <Help onClose={() => setHelp(false)}>
          <Account />
        </Help>
      )}
    </div>
  );
}

function Account() {
  const me = useQuery(meQuery).data;
  const queries = useQueryClient();
  const [theme, setTheme] = useState<Theme>(readTheme);
  const out = async () => {
    await signOut().catch(() => null);
    forgetDrafts();
    queries.clear();
    await inbox.poll(undefined);
    window.location.reload();
  };
  const groups = [...(me?.roles ?? []), ...(me?.teams ?? [])].join(", ");
  return (
    <div className="account">
      {me !== undefined && (
        <div className="account-name">
          <b>{me.name ?? me.actor}</b>
          {groups !== "" && <span>{groups}</span>}
          <span>{zone()}</span>
        </div>
      )}
      <div className="account-choices">
        <label>
          <span className="sr-only">Colours</span>
          <select
            value={theme}
            onChange={(event) => {
              const next = event.target.value === "light" ? "light" : event.target.value === "dark" ? "dark" : "system";
              setTheme(next);
              applyTheme(next);
            }}
          >
            <option value="system">System</option>
            <option value="light">Light</option>
            <option value="dark">Dark</option>
          </select>
        </label>
        <button type="button" className="link" onClick={() => void out()}>
          Sign out
        </button>
      </div>
    </div>
  );
}

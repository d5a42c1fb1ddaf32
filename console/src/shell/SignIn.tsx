import { useState } from "react";
import { apiAddress } from "../api/client";
import { Dialog } from "../components/basic";
import { client, meQuery } from "../api/queries";
import { noteSession } from "../api/connection";
import { readMe } from "../api/endpoints";

/** Returns where the login begins; it comes back to the address that is open now. */
function loginAddress(organisation: string): string {
  const here = new URL(window.location.href);
  const base = new URL("..", document.baseURI);
  const redirect = `/${here.pathname.slice(base.pathname.length)}${here.search}`;
  return apiAddress("auth/login", { organisation: organisation.trim(), redirect });
}

function SignInForm({ label }: { label: string }) {
  const [organisation, setOrganisation] = useState(
    () => new URL(window.location.href).searchParams.get("organisation") ?? "",
  );
  const [asks, setAsks] = useState(organisation !== "");
  return (
    <div className="sign-in-form">
      {asks && (
        <div className="field">
          <label htmlFor="organisation">Organisation</label>
          <input
            id="organisation"
            value={organisation}
            placeholder="org_…"
            autoComplete="off"
            onChange={(event) => setOrganisation(event.target.value)}
          />
        </div>
      )}
      <a className="button primary wide" href={loginAddress(organisation)}>
        {label}
      </a>
      {!asks && (
        <button type="button" className="link" onClick={() => setAsks(true)}>
          Choose an organisation
        </button>
      )}
    </div>
  );
}

/** The page for somebody who is not signed in. */
export function SignIn() {
  return (
    <main className="sign-in">
      <h1>Runs</h1>
      <p>Sign in to see what waits for your decision.</p>
      <SignInForm label="Sign in" />
      <p className="quiet">Your organisation&apos;s login decides who you are. This page never sees your password.</p>
    </main>
  );
}

/** The session ended while the page was open: what is there stays, below this. */
export function SessionOver() {
  const [message, setMessage] = useState<string>();
  const again = async () => {
    try {
      client.setQueryData(meQuery.queryKey, await readMe());
      noteSession();
      await client.invalidateQueries();
    } catch {
      setMessage("There is still no session.");
    }
  };
  return (
    <Dialog title="You are signed out">
      <p>Your session is over. Nothing was sent, and nothing that you typed is lost: it is here when you are back.</p>
      <SignInForm label="Sign in again" />
      <p className="quiet">
        Signed in in another tab?{" "}
        <button type="button" className="link" onClick={() => void again()}>
          Go on here
        </button>{" "}
        {message}
      </p>
    </Dialog>
  );
}

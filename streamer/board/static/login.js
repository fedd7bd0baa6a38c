/** Who are you: user and password; a wall screen stays logged in and can only look. */
import { html, useState } from "./vendor/htm-preact-3.1.1.module.js";
import * as api from "./api.js";
import { start, state } from "./store.js";
import { W } from "./words.js";

export function Login() {
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  async function submit(event) {
    event.preventDefault();
    const form = new FormData(event.target);
    setBusy(true);
    try {
      await api.logIn({
        user: form.get("user"),
        password: form.get("password"),
        ...(form.get("kiosk") ? { kiosk: true } : {}),
      });
      await start();
    } catch (failure) {
      setError({ 401: W.login.wrong, 429: W.login.many }[failure.status] ?? W.login.failed);
    }
    setBusy(false);
  }
  return html`<main class="login">
    <form onSubmit=${submit}>
      <h1>${W.product}</h1>
      <label class="field"><span>${W.login.user}</span><input name="user" required autofocus autocomplete="username" /></label>
      <label class="field"><span>${W.login.password}</span><input name="password" type="password" required autocomplete="current-password" /></label>
      <label class="check"><input name="kiosk" type="checkbox" defaultChecked=${!!state.wall} /> ${W.login.kiosk}</label>
      ${error && html`<p class="error" role="alert">${error}</p>`}
      <button class="primary" disabled=${busy}>${W.login.submit}</button>
      <p class="muted">${W.notDevice}</p>
    </form>
  </main>`;
}

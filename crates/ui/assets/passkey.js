// Passkeys: fetches what the browser is to sign, has it make or use a passkey, and sends its answer
// with the form around the button.

const words = {
  NotAllowedError: "The browser was not allowed to, or it took too long. Try again.",
  InvalidStateError: "This device has a passkey for this account already.",
  SecurityError: "Passkeys do not work at this address.",
};

const ask = async (form) => {
  const { passkey, options: url } = form.dataset;
  if (!window.PublicKeyCredential?.parseRequestOptionsFromJSON)
    throw new Error("This browser knows no passkeys.");
  const answer = await fetch(url, { method: "POST", headers: { accept: "application/json" } });
  // Something has to be shown first: the page that asks for it takes over.
  if (answer.redirected) return void location.assign(answer.url);
  const json = await answer.json();
  if (!answer.ok) throw new Error(json.detail);
  const credential = passkey === "create"
    ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(json) })
    : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(json) });
  form.elements.credential.value = JSON.stringify(credential);
  form.submit();
};

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const notice = form.querySelector("[data-passkey-error]");
  const button = form.querySelector("button");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    notice.hidden = true;
    button.disabled = true;
    try {
      await ask(form);
    } catch (error) {
      notice.querySelector("p").textContent = words[error.name] ?? error.message;
      notice.hidden = false;
    } finally {
      button.disabled = false;
    }
  });
}

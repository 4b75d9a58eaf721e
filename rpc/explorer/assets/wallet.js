// Wallets of this browser: the chain is added to one (EIP-3085), and transactions are sent by one (EIP-6963, EIP-1193).

const MOST_WALLETS = 20;
const UNKNOWN_CHAIN = 4902;
const announced = new Map();

addEventListener("eip6963:announceProvider", ({ detail }) => {
  if (announced.size >= MOST_WALLETS || typeof detail?.provider?.request !== "function") return;
  announced.set(String(detail.info?.uuid), { name: String(detail.info?.name).slice(0, 40), provider: detail.provider });
});

function wallets() {
  dispatchEvent(new Event("eip6963:requestProvider"));
  if (announced.size) return [...announced.values()];
  return typeof window.ethereum?.request === "function" ? [{ name: "Wallet", provider: window.ethereum }] : [];
}

// a list of buttons behind the one that was pressed, where there is a choice
function chosen(button) {
  const found = wallets();
  if (found.length < 2) return Promise.resolve(found[0]?.provider);
  const choice = document.createElement("p");
  choice.className = "choice";
  button.after(choice);
  return new Promise((done) => {
    for (const { name, provider } of found) {
      const one = document.createElement("button");
      one.type = "button";
      one.textContent = name;
      one.addEventListener("click", () => { choice.remove(); done(provider); });
      choice.append(one);
    }
    choice.firstChild.focus();
  });
}

function add(provider, chainId) {
  return provider.request({ method: "wallet_addEthereumChain", params: [{
    chainId, chainName: `zEVM ${Number(chainId)}`, rpcUrls: [location.origin],
    blockExplorerUrls: [location.origin], nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
  }] });
}

async function useChain(provider, chainId) {
  const isThere = async () => BigInt(await provider.request({ method: "eth_chainId" })) === BigInt(chainId);
  const change = () => provider.request({ method: "wallet_switchEthereumChain", params: [{ chainId }] });
  if (await isThere()) return;
  try {
    await change();
  } catch (error) {
    if ((error.data?.originalError?.code ?? error.code) !== UNKNOWN_CHAIN) throw error;
    await add(provider, chainId);
    if (!await isThere()) await change();
  }
  // a transaction for this chain must not go to another
  if (!await isThere()) throw new Error(`the wallet did not change to chain ${Number(chainId)}`);
}

async function send(provider, { send: data, to, wei: value, chain }) {
  const [from] = await provider.request({ method: "eth_requestAccounts" });
  if (!from) throw new Error("the wallet gives this page no account");
  await useChain(provider, chain);
  return provider.request({ method: "eth_sendTransaction", params: [{ from, to, data, value }] });
}

function tellBehind(button) {
  const told = document.createElement("p");
  told.className = "note";
  told.setAttribute("role", "status");
  button.after(told);
  return told;
}

function whenPressed(button, work) {
  let told;
  button.addEventListener("click", async () => {
    told ??= tellBehind(button);
    told.textContent = "";
    button.disabled = true;
    try {
      const provider = await chosen(button);
      if (provider) await work(provider, told);
      else told.textContent = "No wallet is in this browser. "
        + `By hand: RPC URL ${location.origin}, chain id ${Number(button.dataset.network ?? button.dataset.chain)}.`;
    } catch (error) {
      told.textContent = `The wallet says: ${error?.message}`;
    }
    button.disabled = false;
  });
}

function linkTo(hash) {
  if (!/^0x[0-9a-f]{64}$/i.test(hash)) throw new Error("no hash of a transaction");
  const link = document.createElement("a");
  link.className = "hash";
  link.href = `/tx/${hash}`;
  link.textContent = hash;
  return link;
}

export function wire(root) {
  for (const button of root.querySelectorAll("[data-network]")) {
    whenPressed(button, async (provider, told) => {
      await add(provider, button.dataset.network);
      told.textContent = "The wallet has the chain.";
    });
  }
  for (const button of root.querySelectorAll("[data-send]")) {
    button.hidden = false;
    whenPressed(button, async (provider, told) => {
      told.replaceChildren("Sent: ", linkTo(await send(provider, button.dataset)));
    });
  }
}

wire(document);

// ethers 6 and viem 2 look names up on a running node. Environment: ETH_RPC_URL, NAME and ADDRESS (what the name is for),
// OWNER (which has chosen a name below it), OTHER (what a gateway says of the name offchain.NAME).
import assert from "node:assert/strict";
import { test } from "node:test";
import { EnsPlugin, JsonRpcProvider, Network } from "ethers";
import { createPublicClient, defineChain, http, toCoinType } from "viem";
import { foundry, mainnet } from "viem/chains";

const { ETH_RPC_URL, NAME, ADDRESS, OWNER, OTHER } = process.env;
const UNIVERSAL_RESOLVER = "0xeEeEEEeE14D718C2B47D9923Deab1335E144EeEe";

function ethersProvider() {
  const network = new Network("zevm", 31337).attachPlugin(new EnsPlugin(null, 31337, UNIVERSAL_RESOLVER));
  return new JsonRpcProvider(ETH_RPC_URL, network, { staticNetwork: true });
}

function viemClient() {
  const contracts = { ensUniversalResolver: { address: UNIVERSAL_RESOLVER } };
  return createPublicClient({ chain: defineChain({ ...foundry, contracts }), transport: http(ETH_RPC_URL) });
}

test("ethers resolves names, by the universal resolver and by the registry alone", async () => {
  const legacy = new Network("zevm", 31337).attachPlugin(new EnsPlugin(null, 31337));
  for (const provider of [ethersProvider(), new JsonRpcProvider(ETH_RPC_URL, legacy, { staticNetwork: true })]) {
    assert.equal(await provider.resolveName(NAME), ADDRESS);
    assert.equal(await provider.resolveName(NAME.toUpperCase()), ADDRESS);
    assert.equal(await provider.resolveName(`below.${NAME}`), OWNER);
    assert.equal(await provider.lookupAddress(OWNER), `me.${NAME}`);
    const resolver = await provider.getResolver(NAME);
    assert.equal(await resolver.getText("url"), "https://example.org");
    assert.equal(await resolver.getContentHash(), "ipfs://QmRAQB6YaCyidP37UdDnjFY5vQuiBrcqdyoW1CuDgwxkD4");
    assert.equal(await provider.lookupAddress(ADDRESS), null);
    provider.destroy();
  }
});

test("viem resolves names", async () => {
  const client = viemClient();
  assert.equal(await client.getEnsAddress({ name: NAME }), ADDRESS);
  assert.equal(await client.getEnsAddress({ name: NAME, coinType: toCoinType(10) }), ADDRESS.toLowerCase());
  assert.equal(await client.getEnsAddress({ name: `below.${NAME}` }), OWNER);
  assert.equal(await client.getEnsAddress({ name: "nobody.ghost" }), null);
  assert.equal(await client.getEnsName({ address: OWNER }), `me.${NAME}`);
  assert.equal(await client.getEnsName({ address: ADDRESS }), null);
  assert.equal(await client.getEnsText({ name: NAME, key: "url" }), "https://example.org");
  assert.equal(await client.getEnsResolver({ name: NAME }), "0x4976fb03C32e5B8cfe2b6cCB31c09Ba78EBaBa41");
});

test("ethers and viem go to the gateway of a resolver that sends them there", async () => {
  const legacy = new Network("zevm", 31337).attachPlugin(new EnsPlugin(null, 31337));
  for (const provider of [ethersProvider(), new JsonRpcProvider(ETH_RPC_URL, legacy, { staticNetwork: true })]) {
    assert.equal(await provider.resolveName(`offchain.${NAME}`), OTHER);
    assert.equal(await provider.resolveName(`below.offchain.${NAME}`), OTHER);
    provider.destroy();
  }
  assert.equal(await viemClient().getEnsAddress({ name: `offchain.${NAME}` }), OTHER);
});

test("viem needs no configuration on a chain that it knows ENS on", async () => {
  const client = createPublicClient({ chain: mainnet, transport: http(ETH_RPC_URL) });
  assert.equal(await client.getEnsAddress({ name: NAME }), ADDRESS);
});

// Which tokens fire a feature, asked from JavaScript:
//
//   npm install && node client.mjs localhost:50051 reviews/l4 38
import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";
import { tableFromIPC } from "apache-arrow";

const [address, collection, expression] = process.argv.slice(2);
const contract = new URL("../../proto/v1/lake.proto", import.meta.url).pathname;
const { saelake } = grpc.loadPackageDefinition(loader.loadSync(contract, { keepCase: true }));
const lake = new saelake.v1.Lake(address, grpc.credentials.createInsecure());

// The answer, whose frames are one Arrow stream; with a state, as it was then.
async function ask(method, message, state) {
  const metadata = new grpc.Metadata();
  if (process.env.SAELAKE_TOKEN) {
    metadata.set("authorization", `Bearer ${process.env.SAELAKE_TOKEN}`);
  }
  if (state) metadata.set("saelake-at", state);
  const frames = [];
  for await (const frame of lake[method](message, metadata)) frames.push(frame.arrow);
  return tableFromIPC(Buffer.concat(frames));
}

const tokens = await ask("Tokens", { collection, expression, k: 3 });
for (const { id, position, value, token } of tokens) {
  console.log(`${id} ${position} ${value.toFixed(3)} ${token}`);
}
const state = tokens.schema.metadata.get("state");
const features = { numbers: [Number(expression)] };
const [about] = await ask("Features", { collection, features }, state);
console.log(`fires in ${about.document_frequency} documents`);
lake.close();

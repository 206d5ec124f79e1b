// Segment's own client for Node, as a bank's server would use it. Prints how many messages it could not deliver.
const { Analytics } = require(process.env.PORTICO_NODE_MODULES + "/@segment/analytics-node");

const [, , host, writeKey, customer, offer] = process.argv;
const analytics = new Analytics({ host, path: "/segment/v1/batch", writeKey, flushAt: 4, maxRetries: 2 });
let failed = 0;
analytics.on("error", (error) => {
  failed += 1;
  console.error(error);
});
analytics.identify({ userId: customer, traits: { favourite_team: "Rovers", loyalty: "gold", years: 7 } });
analytics.page({ userId: customer, name: "Loans", properties: { url: "https://bank.example/loans" } });
analytics.track({ userId: customer, event: "Calculator Used", properties: { amount: 1200 } });
analytics.track({ userId: customer, event: "Contract Signed", properties: { product: offer, revenue: 99.5 } });
analytics.group({ userId: customer, groupId: "household-7" });
analytics.alias({ userId: customer, previousId: "anonymous-1" });
analytics.track({ anonymousId: "anonymous-2", event: "Calculator Used" });
analytics.closeAndFlush({ timeout: 10_000 }).then(() => console.log(failed));

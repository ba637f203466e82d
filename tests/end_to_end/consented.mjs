// What an administrator has to agree to first: rooms, and messages of channels.
// Holds: the stack has a tenant with rooms; what the tools say is held against it.
// Must never: leave the consent behind.
import assert from "node:assert/strict";
import { sceneOf } from "./calls.mjs";
import { address, sdkClient, setEmulator } from "./client.mjs";

/** Arguments of an emulator whose tenant has rooms. */
export const withRooms = ["--tenant", "realistic"];

async function rooms(ask, { day, word }) {
  const free = { start: `${day}T10:00`, end: `${day}T11:00` };
  const all = (await ask("findTimes", { rooms: "*", ...free })).rooms;
  const room = all.find(({ isFree }) => isFree);
  assert.ok(room && all.length > 1, JSON.stringify(all));
  await ask("createCalendarEvent", { subject: `Room ${word}`, ...free, rooms: [room.address] });
  const [taken] = (await ask("findTimes", { rooms: room.address, ...free })).rooms;
  assert.deepEqual([taken.address, taken.isFree], [room.address, false]);
}

async function channels(ask, { me, tenant }) {
  const teams = (await tenant.teams()).filter(({ members }) => members.includes(address(me)));
  const places = teams.flatMap((team) => team.channels.map((channel) => ({ team, channel })));
  const { team, channel } = places.find((one) => one.channel.messages.some(({ replyToId }) => replyToId));
  const place = { teamId: team.id, channelId: channel.id };
  const [answer] = channel.messages.filter(({ replyToId }) => replyToId);
  const roots = channel.messages.filter(({ replyToId }) => !replyToId);
  const seen = [];
  for (let cursor; seen.length === 0 || cursor;) {
    const { messages, nextCursor } = await ask("readTeamsMessages", { ...place, count: 5, ...(cursor && { cursor }) });
    seen.push(...messages.map(({ id }) => id));
    cursor = nextCursor;
  }
  assert.deepEqual(seen, roots.map(({ id }) => id).toReversed());
  const { messages } = await ask("readTeamsMessages", { ...place, messageId: answer.replyToId });
  assert.ok(messages.some(({ id }) => id === answer.id));
}

/** Runs all of it as one person. */
export async function readWithConsent(stack) {
  const scene = sceneOf(stack, ["alice", "bob", "carol"]);
  const scopes = ["Place.Read.All", "ChannelMessage.Read.All"];
  await setEmulator(stack, { consentedScopes: { [address(scene.me)]: scopes } });
  const client = await sdkClient(stack, await stack.connect(scene.me));
  const ask = async (name, args) => {
    const result = await client.callTool({ name, arguments: args });
    assert.equal(result.isError, false, JSON.stringify(result.content));
    return result.structuredContent;
  };
  try {
    await rooms(ask, scene);
    await channels(ask, scene);
  } finally {
    await setEmulator(stack, { consentedScopes: {} });
    await client.close();
  }
}

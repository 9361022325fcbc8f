"""project-x-py, unchanged, against the simulator: log in, search, place, modify, cancel, close, and hear every event."""

import asyncio
import json
import sys

from project_x_py import OrderManager, PositionManager, ProjectX, ProjectXConfig, ProjectXRealtimeClient
from project_x_py.event_bus import EventBus

EVENTS = [
    "account_update",
    "position_update",
    "order_update",
    "trade_execution",
    "quote_update",
    "market_trade",
    "market_depth",
]
PATIENCE_S = 60


def shown(what):
    print(f"ok  {what}", flush=True)


async def main(broker):
    config = ProjectXConfig(
        api_url=f"{broker['api_url']}/api",
        user_hub_url=broker["user_hub_url"],
        market_hub_url=broker["market_hub_url"],
    )
    async with ProjectX(broker["user_name"], broker["api_key"], config=config) as client:
        await client.authenticate()
        account = client.get_account_info()
        shown(f"logged in, account {account.id}")
        found = await client.search_instruments("ES")
        assert any(contract.id.startswith("CON.F.US.EP.") for contract in found), found
        contract = next(contract for contract in found if contract.id.startswith("CON.F.US.EP."))
        shown(f"found {contract.id}, tick {contract.tickSize} worth {contract.tickValue}")

        heard = {event: asyncio.Event() for event in EVENTS}
        realtime = ProjectXRealtimeClient(client.get_session_token(), str(account.id), config=config)
        for event in EVENTS:
            await realtime.add_callback(event, lambda _data, event=event: heard[event].set())
        assert await realtime.connect()
        assert await realtime.subscribe_user_updates()
        assert await realtime.subscribe_market_data([contract.id])
        shown("both hubs connected and subscribed")

        bus = EventBus()
        orders = OrderManager(client, bus)
        assert await orders.initialize()
        positions = PositionManager(client, bus)
        assert await positions.initialize()

        placed = await orders.place_order(contract.id, 1, 0, 1, limit_price=1000.0)
        assert placed.success, placed
        assert any(order.id == placed.orderId for order in await orders.search_open_orders())
        shown(f"limit order {placed.orderId} placed and listed")
        assert await orders.modify_order(placed.orderId, limit_price=1001.0)
        modified = next(order for order in await orders.search_open_orders() if order.id == placed.orderId)
        assert modified.limitPrice == 1001.0, modified
        shown("modified")
        assert await orders.cancel_order(placed.orderId)
        assert all(order.id != placed.orderId for order in await orders.search_open_orders())
        shown("cancelled")

        bought = await orders.place_order(contract.id, 2, 0, 3)
        assert bought.success, bought
        await until(lambda: held(client, contract.id, 3), "the position of 3")
        answer = await positions.partially_close_position(contract.id, 1)
        assert answer["success"], answer
        await until(lambda: held(client, contract.id, 2), "the position of 2")
        answer = await positions.close_position_direct(contract.id)
        assert answer["success"], answer
        await until(lambda: held(client, contract.id, 0), "no position")
        shown("bought 3, closed 1, closed the rest")
        assert len(await client.search_trades()) >= 3
        shown("trades listed")

        for event in EVENTS:
            await asyncio.wait_for(heard[event].wait(), PATIENCE_S)
            shown(f"heard {event}")
        await realtime.disconnect()


async def held(client, contract_id, size):
    now = [position.size for position in await client.search_open_positions() if position.contractId == contract_id]
    return sum(now) == size


async def until(check, what):
    async with asyncio.timeout(PATIENCE_S):
        while not await check():
            await asyncio.sleep(0.05)
    shown(f"the broker lists {what}")


asyncio.run(main(json.loads(sys.argv[1])))

"""Bugs that a program like this could have; the simulation must find each of them."""

from __future__ import annotations

from dataclasses import dataclass

APPLICATION = "loyalty_service.application"
STORAGE = "loyalty_service.storage"


@dataclass(frozen=True, slots=True)
class Bug:
    """
    A text of the server's source, and what stands there once the bug is planted.

    Attributes:
        soon: Whether it shows in nearly every world, so that a few are enough to find it.
    """

    name: str
    module: str
    old: str
    new: str
    soon: bool = False


BUGS = (
    Bug(
        "a transfer does not take the points from its source",
        "loyalty_service.domain.ledger",
        "for account, change in ((source, -points), (destination, points)):",
        "for account, change in ((source, 0), (destination, points)):",
        soon=True,
    ),
    Bug(
        "the chain of an account forgets its head",
        "loyalty_service.domain.ledger",
        "account.head = link(account.head, account.sequence, facts)",
        "account.head = link(GENESIS, account.sequence, facts)",
        soon=True,
    ),
    Bug(
        "a member's account takes more than an int32 carries",
        f"{APPLICATION}.orders.update_transaction",
        "earned = min(points, room_for_points(member))",
        "earned = points",
    ),
    Bug(
        "debts are not paid first",
        f"{APPLICATION}.member_points",
        "paid = min(points, owed_points(unit, member))",
        "paid = 0",
    ),
    Bug(
        "a clock that is behind takes an account back in time",
        "loyalty_service.domain.ledger",
        "if account.kind not in OWNED_KINDS or behind_ms <= 0:",
        "if True:",
    ),
    Bug(
        "points that come back do not pay a debt",
        f"{APPLICATION}.member_points",
        "paid = min(points, owed_points(unit, member))",
        "paid = min(points, owed_points(unit, member)) if origin.cause == 5 else 0",
    ),
    Bug(
        "a claim captures none of its holds",
        f"{APPLICATION}.orders.update_transaction",
        "    holds = unit.open_holds(transaction)\n    origin = Origin(Cause.REDEEM",
        "    holds = unit.open_holds(transaction)[:0]\n    origin = Origin(Cause.REDEEM",
    ),
    Bug(
        "a report holds its rewards again without releasing the old holds",
        f"{APPLICATION}.orders.update_transaction",
        "    for hold in ended:\n        unit.change(hold",
        "    for hold in ended[:0]:\n        unit.change(hold",
    ),
    Bug(
        "a report does not give the transaction more time",
        f"{APPLICATION}.orders.update_transaction",
        "expires_ms=transaction.expires_ms if order.claiming else expires_ms",
        "expires_ms=transaction.expires_ms",
    ),
    Bug(
        "a repeated report of a claimed order is taken up again",
        f"{APPLICATION}.orders.update_transaction",
        "same = kept is not None and order.repeats(kept.fingerprint)",
        "same = False",
    ),
    Bug(
        "a claimed order can be claimed again with another basket",
        f"{APPLICATION}.orders.update_transaction",
        "is TransactionStatus.CLAIMED:\n            raise ",
        "is TransactionStatus.CLAIMED:\n            ",
    ),
    Bug(
        "a repeated report does not keep its order open",
        f"{APPLICATION}.orders.update_transaction",
        "    keep_open(unit, unit.catalog.programs[transaction.program_id], transaction, now_ms)\n"
        "    updated",
        "    updated",
    ),
    Bug(
        "a validation does not keep its order open",
        f"{APPLICATION}.orders.validate_transaction",
        "    keep_open(unit, review.program, transaction, now_ms)\n",
        "",
    ),
    Bug(
        "a claim pays today's price for what was accepted at another",
        f"{APPLICATION}.orders.reservations",
        "accepted_points=points)",
        "accepted_points=use.incentive.point_cost * sum(prices.values()))",
    ),
    Bug(
        "what was accepted and then retired is refused at the claim",
        f"{APPLICATION}.orders.order_review",
        "if use.incentive.retired and use.accepted < use.quantity:",
        "if use.incentive.retired:",
    ),
    Bug(
        "once one of a retired reward is held, any number can be claimed",
        f"{APPLICATION}.orders.order_review",
        "if use.incentive.retired and use.accepted < use.quantity:",
        "if False:",
    ),
    Bug(
        "what an open order was accepted with is not counted",
        f"{STORAGE}.unit_of_work",
        "incentive_id: (int(used) + int(kept), int(by_key))",
        "incentive_id: (int(used), int(by_key))",
    ),
    Bug(
        "a report reserves nothing",
        f"{APPLICATION}.orders.update_transaction",
        "    if not order.claiming:\n        reserve(",
        "    if False:\n        reserve(",
    ),
    Bug(
        "an identify with a code reserves nothing",
        f"{APPLICATION}.orders.identify_member",
        "    reserve(unit, transaction, command.key, pos.store_id, uses, now_ms)\n",
        "",
    ),
    Bug(
        "a basket without it does not give a reserved use back",
        f"{APPLICATION}.orders.reservations",
        "        if (quantity, store_id) != (one.quantity, one.store_id):",
        "        if quantity:",
    ),
    Bug(
        "a void keeps what its order has reserved",
        f"{APPLICATION}.orders.void_transaction",
        "        give_back(unit, transaction)\n",
        "",
    ),
    Bug(
        "a claimed use stays reserved besides",
        f"{APPLICATION}.orders.update_transaction",
        "    give_back(unit, transaction)\n",
        "",
    ),
    Bug(
        "the open orders of one key use a cap up for all",
        "loyalty_service.domain.rules",
        "        if fits_total and reserved > share:",
        "        if False:",
    ),
    Bug(
        "redemptions are not counted",
        f"{APPLICATION}.orders.update_transaction",
        "        unit.count_redemption(member, incentive_id, use.quantity)",
        "        pass",
    ),
    Bug(
        "a void gives back what was burned twice as often",
        f"{APPLICATION}.orders.void_transaction",
        "earned, burned = transaction.points_earned, transaction.points_redeemed",
        "earned, burned = transaction.points_earned, 2 * transaction.points_redeemed",
    ),
    Bug(
        "a void does not take earned points back",
        f"{APPLICATION}.orders.void_transaction",
        "    if at_hand:\n",
        "    if False:\n",
    ),
    Bug(
        "a void forgets what the program does about spent points",
        f"{APPLICATION}.orders.void_transaction",
        'if short and (program.void_spent == "refuse" or owed + short > POINTS_MAX):',
        "if short:",
    ),
    Bug(
        "a void gives back before it takes, so that points that fit are lost",
        f"{APPLICATION}.orders.void_transaction",
        "    at_hand = min(earned, member.available.balance)\n    _take(unit, member, transaction,",
        "    at_hand, burned = 0, min(burned, room_for_points(member))\n"
        "    _take(unit, member, transaction,",
    ),
    Bug(
        "a void after the sweeper's tells of nothing given back",
        f"{APPLICATION}.orders.void_transaction",
        "redeemed = unit.points_released(transaction, transaction.updated_ms)",
        "redeemed = 0",
    ),
    Bug(
        "a second void answers anew",
        f"{APPLICATION}.orders.void_transaction",
        "is TransactionStatus.VOID and kept is not None and kept.method == VOID:",
        "is False:",
        soon=True,
    ),
    Bug(
        "a void leaves redemptions counted",
        f"{APPLICATION}.orders.void_transaction",
        "unit.count_redemption(member, redemption.incentive_id, -redemption.quantity)",
        "pass",
    ),
    Bug(
        "a used code can be used again",
        f"{APPLICATION}.orders.identify_member",
        "if code is not None and code.status is CodeStatus.CLAIMED:",
        "if False:",
    ),
    Bug(
        "a retry at another till gets the first till's answer",
        "loyalty_service.domain.point_of_sale",
        "json.dumps([partner, self.store_id, self.terminal, self.transaction_id])",
        "json.dumps([partner, self.store_id, self.transaction_id])",
    ),
    Bug(
        "an identify with a code holds nothing",
        f"{APPLICATION}.orders.identify_member",
        "        if use.point_cost:\n",
        "        if False:\n",
        soon=True,
    ),
    Bug(
        "a live code is given out again",
        f"{APPLICATION}.codes.issue_code",
        "if earlier is None or earlier.expires_ms <= now_ms:",
        "if True:",
    ),
    Bug(
        "a member's earlier code goes on working",
        f"{APPLICATION}.codes.issue_code",
        "        unit.change(code, status=CodeStatus.REPLACED, updated_ms=now_ms)",
        "        pass",
    ),
    Bug(
        "a receipt can be turned into points again",
        f"{APPLICATION}.orders.claim_receipt",
        "if transaction.status is not TransactionStatus.UNCLAIMED:",
        "if False:",
    ),
    Bug(
        "offers of a receipt are not counted",
        f"{APPLICATION}.orders.claim_receipt",
        "    count_uses(unit, transaction, member, offers.uses, transaction.created_ms)",
        "    pass",
    ),
    Bug(
        "a receipt pays for offers that its guest may not use",
        f"{APPLICATION}.orders.claim_receipt",
        "    if offers.refused:",
        "    if False:",
    ),
    Bug(
        "a cap is not looked at when a receipt is claimed",
        "loyalty_service.domain.rules",
        "tuple(rule for rule in use.incentive.rules if isinstance(rule, MEMBER_RULES))",
        "()",
    ),
    Bug(
        "an order without a guest earns on offers that do not hold",
        f"{APPLICATION}.orders.record_unclaimed",
        "program.currency_digits, offers.not_held",
        "program.currency_digits",
    ),
    Bug(
        "nobody is told of offers that do not hold",
        f"{APPLICATION}.orders.record_unclaimed",
        "*offer_flags(program, offers.refused, transaction),",
        "",
    ),
    Bug(
        "a reward that the till calls an offer earns",
        f"{APPLICATION}.orders.order_review",
        "basket = as_catalogued(order.basket, program)",
        "basket = order.basket",
    ),
    Bug(
        "a reward that the till calls an item is a product",
        "loyalty_service.domain.basket",
        "if parent is not None or used[incentive.incentive_id] > 0:",
        "if True:",
    ),
    Bug(
        "a guest's reward is free where the till calls it an offer",
        f"{APPLICATION}.orders.record_unclaimed",
        "basket = as_catalogued(command.basket, program)",
        "basket = command.basket",
    ),
    Bug(
        "receipts live for ever",
        f"{APPLICATION}.orders.claim_receipt",
        "if now_ms - transaction.created_ms > program.receipt_days * DAY_MS:",
        "if False:",
    ),
    Bug(
        "one order earns twice where the program refuses it",
        f"{APPLICATION}.orders.repeated_orders",
        'if claimed and program.repeated_orders == "refuse" and claiming:',
        "if False:",
    ),
    Bug(
        "nobody is told of an order that is claimed twice",
        f"{APPLICATION}.orders.repeated_orders",
        "    if claimed:\n        return",
        "    if False:\n        return",
    ),
    Bug(
        "nobody is told of late voids",
        f"{APPLICATION}.orders.void_transaction",
        "if not ordered or late_ms <= 0:",
        "if True:",
    ),
    Bug(
        "reports keep an order open for ever",
        "loyalty_service.domain.program",
        "return min(now_ms + self.pending_lifetime_s * 1000, opened_ms + self.pending_days "
        "* DAY_MS)",
        "return now_ms + self.pending_lifetime_s * 1000",
    ),
    Bug(
        "the sweeper ends what has been given more time",
        f"{APPLICATION}.orders.expire_overdue",
        "        or transaction.expires_ms > now_ms\n",
        "        or False\n",
    ),
    Bug(
        "the sweeper voids claimed orders",
        f"{APPLICATION}.orders.expire_overdue",
        "        or transaction.status is not TransactionStatus.PENDING\n",
        "        or False\n",
    ),
    Bug(
        "the answer to a key is not kept",
        f"{APPLICATION}.perform",
        "    if keyed is not None:\n        unit.add(",
        "    if False:\n        unit.add(",
        soon=True,
    ),
    Bug(
        "a key is taken for any request",
        f"{APPLICATION}.perform",
        "if not keyed.repeats(remembered.fingerprint):",
        "if False:",
        soon=True,
    ),
    Bug(
        "an event is forgotten",
        f"{APPLICATION}.perform",
        "    for event in outcome.events:\n",
        "    for event in outcome.events[:-1]:\n",
        soon=True,
    ),
    Bug(
        "an event is told of twice",
        f"{APPLICATION}.perform",
        "    for event in outcome.events:\n",
        "    for event in (*outcome.events, *outcome.events[-1:]):\n",
        soon=True,
    ),
    Bug(
        "an event tells the balance from before it",
        f"{STORAGE}.event_log",
        "balances = available.balance, available.sequence,",
        "balances = 0, available.sequence,",
        soon=True,
    ),
    Bug(
        "an event of a claim is taken for one of a report",
        f"{APPLICATION}.orders.update_transaction",
        "_reported(EventKind.ORDER_CLAIMED, review)",
        "_reported(EventKind.ORDER_REPORTED, review)",
    ),
    Bug(
        "the answer of a report is not kept in place of the one before",
        f"{APPLICATION}.perform",
        "        answer=kept.answer,\n",
        "",
    ),
    Bug(
        "a cancellation is answered as the report before it",
        f"{APPLICATION}.orders.void_transaction",
        "kept is not None and kept.method == VOID:",
        "kept is not None:",
    ),
    Bug(
        "all partners share one space of keys",
        f"{APPLICATION}.perform",
        'return f"{key.program_id}/{key.partner}"',
        "return key.program_id",
        soon=True,
    ),
    Bug(
        "a code that the sweeper has expired is taken by a server whose clock is behind",
        f"{APPLICATION}.orders.identify_member",
        "code is None or code.status is not CodeStatus.PENDING",
        "code is None or code.status is CodeStatus.REPLACED",
    ),
    Bug(
        "a batch is answered without its commit",
        f"{STORAGE}.writer",
        '                flush()\n                connection.execute("COMMIT")',
        "                flush()\n                self._roll_back()",
        soon=True,
    ),
    Bug(
        "a batch that fails half-way is committed as far as it came",
        f"{STORAGE}.writer",
        "        except BaseException:\n            self._roll_back()\n            raise",
        "        except Exception:\n            unit.flush()\n"
        '            connection.execute("COMMIT")\n            raise',
        soon=True,
    ),
    Bug(
        "a call refused after it has written is committed with its batch",
        f"{STORAGE}.writer",
        "                item.fail(refusal)\n                if unit.changes != before:",
        "                item.fail(refusal)\n                if False:",
    ),
    Bug(
        "one call that fails takes its batch with it",
        f"{STORAGE}.writer",
        "        for item in batch:\n            self._run([item])\n",
        "        for item in batch:\n            item.fail(problem)\n",
    ),
    Bug(
        "a combo and its parts both earn",
        "loyalty_service.domain.worth",
        "        if made is None:",
        "        if made is None or own[index]:",
        soon=True,
    ),
    Bug(
        "what was taken back earns as if it were sold",
        "loyalty_service.domain.basket",
        "        return -amount if self.taken_back else amount",
        "        return amount",
        soon=True,
    ),
    Bug(
        "a deposit that is given back lowers what is earned",
        "loyalty_service.domain.earning",
        "or line.product_id in rules.excluded_products",
        "or (line.product_id in rules.excluded_products and line.amount > 0)",
        soon=True,
    ),
    Bug(
        "a writer never looks for what operators changed",
        f"{STORAGE}.writer",
        "if revision == self.catalog.revision:",
        "if self.catalog.revision >= 0:",
    ),
    Bug(
        "what was added is not written",
        f"{STORAGE}.unit_of_work",
        "            self._write(cursor, statements.insert, rows)",
        "            self._write(cursor, statements.insert, [] if kind is Remembered else rows)",
        soon=True,
    ),
    Bug(
        "a query does not see what its batch has changed",
        f"{STORAGE}.unit_of_work",
        "        self.flush()\n        rows = self._connection.execute(",
        "        rows = self._connection.execute(",
    ),
    Bug(
        "accounts that moved are not written",
        f"{STORAGE}.unit_of_work",
        "        self._moved[source.account_id] = source\n",
        "",
        soon=True,
    ),
)

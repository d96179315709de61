// What a kiosk asks of the service, in the order of a guest's visit.

import { clone, create, fromJsonString, type MessageInitShape, toJsonString } from "@bufbuild/protobuf";
import { type Client, createClient, type Interceptor } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { certain, type Hear, Refused } from "./certain";
import { type Discount, DiscountDetails_Subtype } from "./gen/loyalty/v1/discount_pb";
import { type IdentifyMemberResponse, IdentifyService } from "./gen/loyalty/v1/identify_service_pb";
import {
  type OrderLine, OrderLine_ProductType, type OrderLineSchema, PaymentSchema, type PosVendorSchema,
  TransactionDetails_Channel, TransactionDetails_ServiceMode,
} from "./gen/loyalty/v1/order_pb";
import {
  type ReportOrderRequest, ReportOrderRequestSchema, type ReportOrderResponse,
  Transaction_Status, TransactionService, type VoidTransactionResponse,
} from "./gen/loyalty/v1/transaction_service_pb";

/** Reasons for which an order is good, but not with the incentives in it. */
const GOES_WITHOUT = new Set(["RULES_FAILED", "REWARD_REFUSED", "POINTS_INSUFFICIENT"]);

const WAITING = "kiosk: a claim whose outcome is not known";

export interface Product { plu: string; name: string; cents: number }

export interface Bought { product: Product; quantity: number }

/** An order that the service accepts, and the incentives that had to be left out of it. */
export interface Agreed { order: ReportOrderRequest; leftOut: string[]; cents: number }

export class Kiosk {
  private readonly identifying: Client<typeof IdentifyService>;
  private readonly orders: Client<typeof TransactionService>;

  /** @param baseUrl Envoy, which may be of another origin than the page. */
  constructor(baseUrl: string, apiKey: string, private readonly storeId: number, private readonly hear: Hear) {
    const whoCalls: Interceptor = (next) => (request) => {
      request.header.set("x-api-key", apiKey);
      request.header.set("x-user-datetime", new Date().toISOString());
      return next(request);
    };
    const transport = createGrpcWebTransport({ baseUrl, interceptors: [whoCalls] });
    this.identifying = createClient(IdentifyService, transport);
    this.orders = createClient(TransactionService, transport);
  }

  /** Open an order for whoever shows a code. */
  identify(identifier: string, number: string): Promise<IdentifyMemberResponse> {
    const request = { identifier, posVendor: this.vendor(number) };
    return certain(crypto.randomUUID(), (options) => this.identifying.identifyMember(request, options), this.hear);
  }

  /**
   * Find the form of an order that breaks no rule, without the incentives that the service refuses.
   *
   * @throws Refused when it refuses the order for another reason.
   */
  async agree(guest: IdentifyMemberResponse, number: string, bought: Bought[], wanted: ReadonlySet<string>): Promise<Agreed> {
    const every = [...guest.order, ...guest.eligibleDiscounts].map((one) => one.incentiveId ?? "");
    let without = new Set(every.filter((id) => !wanted.has(id)));
    const leftOut: string[] = [];
    for (;;) {
      const order = this.order(guest, number, bought, without);
      try {
        await certain(crypto.randomUUID(), (options) => {
          const { loyaltyTransactionId, loyaltyId, channel, serviceMode, status, transactionDetails } = order;
          return this.orders.validateOrder(
            { loyaltyTransactionId, loyaltyId: loyaltyId ?? "", channel, serviceMode, status, ...(transactionDetails ? { transactionDetails } : {}) },
            options,
          );
        }, this.hear);
        return { order, leftOut, cents: total(order) };
      } catch (problem) {
        if (!(problem instanceof Refused) || !GOES_WITHOUT.has(problem.reason) || without.size === every.length) throw problem;
        const named = every.filter((id) => problem.incentives.has(id) && !without.has(id));
        const dropped = named.length ? named : every.filter((id) => !without.has(id));
        leftOut.push(...dropped);
        without = new Set([...without, ...dropped]);
      }
    }
  }

  /** Report an order that is not paid: its points are held, and any till may claim it. */
  hold(order: ReportOrderRequest): Promise<ReportOrderResponse> {
    return certain(crypto.randomUUID(), (options) => this.orders.reportOrder(order, options), this.hear);
  }

  /** Claim a paid order. It is kept until its outcome is known, also when the page is closed meanwhile. */
  claim(order: ReportOrderRequest, type: string): Promise<ReportOrderResponse> {
    const paid = clone(ReportOrderRequestSchema, order);
    paid.status = Transaction_Status.CLAIMED;
    paid.transactionDetails?.payments.push(create(PaymentSchema, { type, amount: total(order) }));
    localStorage.setItem(WAITING, JSON.stringify({ key: crypto.randomUUID(), order: toJsonString(ReportOrderRequestSchema, paid) }));
    return this.claimWaiting() as Promise<ReportOrderResponse>;
  }

  /** Send the claim whose outcome is not known, if there is one, under the key that it had. */
  async claimWaiting(): Promise<ReportOrderResponse | undefined> {
    const kept = localStorage.getItem(WAITING);
    if (kept === null) return undefined;
    const { key, order } = JSON.parse(kept) as { key: string; order: string };
    const paid = fromJsonString(ReportOrderRequestSchema, order);
    const done = await certain(key, (options) => this.orders.reportOrder(paid, options), this.hear);
    localStorage.removeItem(WAITING);
    return done;
  }

  /** Cancel an order. */
  cancel(loyaltyTransactionId: string): Promise<VoidTransactionResponse> {
    return certain(crypto.randomUUID(), (options) => this.orders.voidTransaction({ loyaltyTransactionId }, options), this.hear);
  }

  private vendor(transactionId: string): MessageInitShape<typeof PosVendorSchema> {
    return { transactionId, storeId: this.storeId, posType: "Kiosk" };
  }

  private order(guest: IdentifyMemberResponse, number: string, bought: Bought[], without: ReadonlySet<string>): ReportOrderRequest {
    const discounts = guest.eligibleDiscounts.filter((one) => !without.has(one.incentiveId ?? ""));
    const lines: (OrderLine | MessageInitShape<typeof OrderLineSchema>)[] = bought.map(({ product, quantity }, place) => ({
      productId: product.plu,
      name: product.name,
      price: net(product.cents, discounts) / 100, // Of one.
      quantity,
      productType: OrderLine_ProductType.item,
      referenceId: `line-${place}`,
    }));
    lines.push(...guest.order.filter((one) => !without.has(one.incentiveId ?? "")));
    return create(ReportOrderRequestSchema, {
      loyaltyTransactionId: guest.transactionId,
      ...(guest.loyaltyUser ? { loyaltyId: guest.loyaltyUser.id } : {}),
      channel: TransactionDetails_Channel.RESTAURANT,
      serviceMode: TransactionDetails_ServiceMode.EAT_IN,
      status: Transaction_Status.PENDING,
      transactionDetails: { currency: "CAD", order: lines, appliedDiscounts: discounts, posVendor: this.vendor(number) },
    });
  }
}

/** Take the discounts in percent off a price in cents, for prices are reported net. */
export function net(cents: number, discounts: readonly Discount[]): number {
  return discounts.reduce((left, { details }) => {
    const percent = details?.subtype === DiscountDetails_Subtype.PERCENTAGE_DISCOUNT ? details.discountValue ?? 0 : 0;
    return left - Math.floor((left * percent) / 100);
  }, cents);
}

/** Add up an order, in cents. */
export function total(order: ReportOrderRequest): number {
  const lines = order.transactionDetails?.order ?? [];
  return lines.reduce((sum, line) => sum + Math.round((line.price ?? 0) * 100) * (line.quantity ?? 1), 0);
}

-- Written by protos/generate.py. Do not edit.
return {
  routes = {
    { method = "POST", path = "/client/users/anonymous/sessions", request = "loyalty.v1.StartAnonymousSessionRequest" },
    { method = "POST", path = "/loyalty/identify", request = "loyalty.v1.IdentifyRequest" },
    { method = "POST", path = "/loyalty/members", request = "loyalty.v1.EnrollMemberRequest" },
    { method = "GET", path = "/loyalty/members/{loyalty_id}", request = "loyalty.v1.GetMemberRequest" },
    { method = "GET", path = "/loyalty/members/{loyalty_id}/transfers", request = "loyalty.v1.ListTransfersRequest" },
    { method = "POST", path = "/otp", request = "loyalty.v1.IssueCodeRequest" },
    { method = "GET", path = "/otp/{otp}", request = "loyalty.v1.GetCodeRequest" },
  },
  messages = {
    ["loyalty.v1.EnrollMemberRequest"] = {
      name = { name = "name", type = "string" },
      email = { name = "email", type = "string" },
      locale = { name = "locale", type = "string" },
      birthDate = { name = "birthDate", type = "string" },
      birth_date = { name = "birthDate", type = "string" },
    },
    ["loyalty.v1.GetCodeRequest"] = {
      otp = { name = "otp", type = "string" },
    },
    ["loyalty.v1.GetMemberRequest"] = {
      loyaltyId = { name = "loyaltyId", type = "string" },
      loyalty_id = { name = "loyaltyId", type = "string" },
    },
    ["loyalty.v1.IdentifyRequest"] = {
      identifier = { name = "identifier", type = "string" },
      posVendor = { name = "posVendor", type = "message", message = "loyalty.v1.PosVendor" },
      pos_vendor = { name = "posVendor", type = "message", message = "loyalty.v1.PosVendor" },
    },
    ["loyalty.v1.IssueCodeRequest"] = {
      loyaltyId = { name = "loyaltyId", type = "string" },
      loyalty_id = { name = "loyaltyId", type = "string" },
      order = { name = "order", type = "message", message = "loyalty.v1.SelectedIncentive", repeated = true },
    },
    ["loyalty.v1.ListTransfersRequest"] = {
      loyaltyId = { name = "loyaltyId", type = "string" },
      loyalty_id = { name = "loyaltyId", type = "string" },
      pageSize = { name = "pageSize", type = "integer", least = -2147483648, most = 2147483647 },
      page_size = { name = "pageSize", type = "integer", least = -2147483648, most = 2147483647 },
      pageToken = { name = "pageToken", type = "string" },
      page_token = { name = "pageToken", type = "string" },
      account = { name = "account", type = "enum", words = { "AVAILABLE", "HELD" } },
    },
    ["loyalty.v1.PosVendor"] = {
      transactionId = { name = "transactionId", type = "string" },
      transaction_id = { name = "transactionId", type = "string" },
      storeId = { name = "storeId", type = "integer", least = -2147483648, most = 2147483647 },
      store_id = { name = "storeId", type = "integer", least = -2147483648, most = 2147483647 },
      terminal = { name = "terminal", type = "string" },
      operator = { name = "operator", type = "string" },
      posType = { name = "posType", type = "string" },
      pos_type = { name = "posType", type = "string" },
      supportingPos = { name = "supportingPos", type = "string" },
      supporting_pos = { name = "supportingPos", type = "string" },
    },
    ["loyalty.v1.SelectedIncentive"] = {
      incentiveId = { name = "incentiveId", type = "string" },
      incentive_id = { name = "incentiveId", type = "string" },
      quantity = { name = "quantity", type = "integer", least = -2147483648, most = 2147483647 },
    },
    ["loyalty.v1.StartAnonymousSessionRequest"] = {
      correlationId = { name = "correlationId", type = "string" },
      correlation_id = { name = "correlationId", type = "string" },
      externalIdentifier = { name = "externalIdentifier", type = "string" },
      external_identifier = { name = "externalIdentifier", type = "string" },
      channel = { name = "channel", type = "string" },
      locale = { name = "locale", type = "string" },
      anonymousSessionId = { name = "anonymousSessionId", type = "string" },
      anonymous_session_id = { name = "anonymousSessionId", type = "string" },
    },
  },
}

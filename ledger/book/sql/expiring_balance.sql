-- Expired tokens are found without reading every balance. `amount` is in no index, so that an
-- update of a balance stays within its page.
create index balance_expiring on balance (colour, account) where colour like 'promo@%';

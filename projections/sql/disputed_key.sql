-- Which payment of a purchase is disputed: only its own refund ends the dispute.

alter table purchase add column disputed_key text;

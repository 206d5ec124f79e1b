# Name of the region that holds the offers.
offers = Offers for you
# Button that puts an offer away.
dismiss = Not for me
# Line that takes the place of an offer put away.
thanks = Thank you. We will show this less.
# Button that brings it back.
undo = Undo
# Button that leaves a question without an answer.
decline = Not now
# Line that takes the place of a question.
answered = Thank you, noted.
# Button that tells why an offer is shown.
why = Why this?
# Heading of the reasons.
why-title = Why you see this offer
# Before a list of reasons.
why-model = Offers are chosen by what people in a similar situation found useful. For this one it was mainly:
# Where nothing in particular spoke for it.
why-general = Offers are chosen by what visitors found useful. Nothing particular about you or this visit spoke for this one.
# Where chance chose.
why-chance = It was drawn by chance, as on a few visits, so that we find out what helps.
# Where the fixed order chose.
why-order = It stands here in a fixed order, the same for everybody, so that we can tell whether choosing helps.
# A reason from the page and the request.
why-context = this visit: { $fact }
# A reason from what the visitor did before.
why-behaviour = what you did here before: { $fact }
# A reason from what is known about the customer.
why-known = what is known about you: { $fact }
# Last line of the reasons.
why-end = With “Not for me” you put it away, and it is shown less.
# Button that closes the reasons.
close = Close

# Name of the calculator.
title = Savings and loan calculator
# Before the choice between saving and borrowing.
purpose = What would you like to do?
# One purpose.
save = Save
# The other.
borrow = Borrow
# A sum put in at once.
first = To start with
# A sum put in each month.
monthly = Each month
# A sum borrowed.
amount = Amount
# For how many years.
term = For how long
# Before what savings come to.
result-save = After { $years } you have
# Before a loan's instalment.
result-borrow = You pay each month
# What was paid in.
paid = Paid in
# Interest.
interest = Interest
# What a loan costs in all.
total = To pay back in all
# What is still owed.
balance = Still to pay
# What is there.
savings = Savings
# The rate reckoned with for savings.
rate-save = Reckoned at { $rate } AER, interest paid monthly, the same throughout.
# The rate reckoned with for a loan.
rate-borrow = Reckoned at { $rate } APR, equal instalments. What you are offered may differ.
# Opens the table behind the chart.
table = Show as a table
# Heading of the years.
year = Year
# What the chart shows, for whoever cannot see it.
chart-save = Chart: over { $years }, { $paid } paid in and { $interest } interest.
# What the chart shows, for whoever cannot see it.
chart-borrow = Chart: what is still to pay falls from { $paid } to nothing over { $years }.

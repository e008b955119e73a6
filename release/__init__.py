"""`make release-check`: build both distributions and judge them as their users will meet them."""

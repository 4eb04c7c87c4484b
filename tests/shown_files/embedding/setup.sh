# A new gateway: nothing was read yet.
rm pricing-sync.db

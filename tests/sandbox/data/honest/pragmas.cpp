// stdin: "5\n"
// stdout: "15\n"
#pragma GCC optimize("O3,unroll-loops")
#include <bits/stdc++.h>
#define int long long
using namespace std;
signed main() {
    int n, total = 0;
    cin >> n;
    for (int i = 1; i <= n; i++) total += i;
    cout << (long long)(__int128)total << endl;
    system("pause");
}

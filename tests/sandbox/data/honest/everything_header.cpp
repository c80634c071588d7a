// stdin: "5\n3 1 2 5 4\n"
// stdout: "1 2 3 4 5 \n"
#include <bits/stdc++.h>
using namespace std;
int main() {
    ios::sync_with_stdio(false);
    cin.tie(nullptr);
    int n;
    cin >> n;
    vector<int> v(n);
    for (auto &x : v) cin >> x;
    ranges::sort(v);
    for (int x : v) cout << x << ' ';
    cout << '\n';
}
